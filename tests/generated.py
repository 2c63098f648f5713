"""What the project keeps and is written from its code; `python -m tests.generated` writes it anew.

The package needs both where the code cannot be asked: at a Tab, since importing the commands takes too long,
and while a wheel is built, when what they import is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from bookhopper import shipped
from bookhopper.cli import completing, main
from tests import manual


def contents() -> Mapping[Path, str]:
    """Give what each of these files has to hold."""
    commands = completing.table(main, click.Context(main, info_name="bookhopper"))
    return {
        completing.TABLE: json.dumps(commands, indent=1, ensure_ascii=False) + "\n",
        shipped.MANUAL: manual.page(),
    }


if __name__ == "__main__":
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
