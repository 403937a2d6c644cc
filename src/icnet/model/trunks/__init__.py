"""The trunks of the cascade: one file for each family."""
