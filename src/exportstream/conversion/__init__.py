"""From inputs to outputs: one, many or merged, in one process or several. Knows no format and prints nothing."""
