"""From bytes to sessions and messages."""
