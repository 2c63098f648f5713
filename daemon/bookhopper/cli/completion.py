"""`bookhopper completion`."""

from __future__ import annotations

import click

from bookhopper import shipped

_FILES = {"bash": "bookhopper", "zsh": "_bookhopper", "fish": "bookhopper.fish"}


@click.command(
    epilog="""\
An installation below /usr/local brings it along, and so does one by a recent pipx.  Otherwise put it into the
folder where your shell looks for it (make that where it is not there); the next shell has it.

zsh looks into the folders of its `fpath`:
`fpath=(~/.local/share/zsh/site-functions $fpath)` belongs into ~/.zshrc, before `compinit`.

\b
Examples:
  bookhopper completion bash > ~/.local/share/bash-completion/completions/bookhopper
  bookhopper completion zsh > ~/.local/share/zsh/site-functions/_bookhopper
  bookhopper completion fish > ~/.config/fish/completions/bookhopper.fish
"""
)
@click.argument("shell", metavar="SHELL", type=click.Choice(list(_FILES)))
def command(shell: str) -> None:
    """Print the completion of commands for SHELL: bash, zsh or fish."""
    click.echo((shipped.COMPLETION / shell / _FILES[shell]).read_bytes(), nl=False)
