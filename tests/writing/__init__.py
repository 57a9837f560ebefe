"""From messages to rows, from rows to files."""
