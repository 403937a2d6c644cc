"""task=prepare."""
