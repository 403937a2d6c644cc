"""task=export: a file that runs elsewhere, with proof of what it gives."""
