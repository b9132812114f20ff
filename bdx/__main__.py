"""Let `python -m bdx` be the command."""

from bdx.cli import main

main()
