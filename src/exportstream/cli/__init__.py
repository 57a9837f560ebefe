"""The command: arguments in, exit code out. The only room that prints, and that knows click and rich."""
