"""task=evaluate, and the scoring with which training ends."""
