"""task=benchmark: what takes how long on this machine."""
