"""What a network is loaded from."""
