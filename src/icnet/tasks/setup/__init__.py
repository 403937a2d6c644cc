"""What tasks begin with: objects from the configuration, and the networks of checkpoints."""
