"""Corrections: proposed, decided, applied, taken back."""
