"""Exact sums."""
