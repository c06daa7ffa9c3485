"""Data and training loops."""
