"""Bytes in, bytes out: files, streams and URLs."""
