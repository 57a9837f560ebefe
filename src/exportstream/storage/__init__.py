"""Bytes in, bytes out: the only room that touches the system and the network. Knows nothing of JSON."""
