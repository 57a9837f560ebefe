"""Bytes become sessions and messages. Knows nothing of outputs, and opens files only through `storage`."""
