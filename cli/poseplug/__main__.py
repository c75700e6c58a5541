"""``python -m poseplug``."""

from poseplug.cli.main import main

main()
