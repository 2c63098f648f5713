"""`python -m bookhopper` is `bookhopper`."""

from bookhopper.cli import main

main(prog_name="bookhopper")
