"""The command: arguments in, exit code out. No other room prints, or knows click and rich."""
