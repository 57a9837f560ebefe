"""URLs: read, listed and written to through fsspec. Imported only when a URL is used."""
