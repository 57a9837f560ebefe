"""Messages become rows, and rows become files. Knows nothing of how they were read."""
