"""``python -m exportstream``."""

from exportstream.cli.commands import main

main()
