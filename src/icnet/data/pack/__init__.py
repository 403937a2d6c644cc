"""Packed data: a split's decoded frames in one file that is mapped into memory, and an index beside it."""
