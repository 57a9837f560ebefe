"""Bytes in, bytes out: files, archives, compression, the network. Imports no parser."""
