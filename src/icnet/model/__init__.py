"""The network: torch alone."""
