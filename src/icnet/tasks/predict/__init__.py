"""task=predict."""
