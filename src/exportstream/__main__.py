"""``python -m exportstream``."""

from exportstream.cli import main

main()
