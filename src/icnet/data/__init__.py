"""Data sets, transforms and loaders of samples: numpy, cv2, albumentations and torch Datasets."""
