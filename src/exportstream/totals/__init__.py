"""Exact sums over messages and sessions, and what was counted before. Opens nothing."""
