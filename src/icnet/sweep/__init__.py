"""Sweeps: many runs in one folder, each a process of its own, with a ledger of what became of them."""
