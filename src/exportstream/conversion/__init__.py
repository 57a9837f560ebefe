"""From inputs to outputs: one, many or merged, in one process or several. Knows no keys of a format, and prints nothing."""
