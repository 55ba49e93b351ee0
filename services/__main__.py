"""`python -m services` is the command `etma`."""

from services.cli import main

main()
