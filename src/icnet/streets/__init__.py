"""Generated street scenes: the data set that comes with the package, in the layout of Cityscapes."""
