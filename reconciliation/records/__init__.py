"""Sealed records of what was done, refused and disclosed."""
