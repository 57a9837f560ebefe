"""The machine for logs: an input of JSON objects, one on each line. It knows no format."""
