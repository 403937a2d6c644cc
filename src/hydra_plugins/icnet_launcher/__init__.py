"""Hydra's launcher for sweeps of icnet; Hydra looks for it in the namespace `hydra_plugins`."""
