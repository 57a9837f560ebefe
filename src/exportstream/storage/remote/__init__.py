"""URLs: read, listed, uploaded through fsspec. Imported only where a URL is used."""
