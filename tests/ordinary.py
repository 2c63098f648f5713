"""Commands run as an ordinary user does, whose rights override no file's permissions."""

from __future__ import annotations

import os
import shutil

import pytest


def ordinary() -> list[str]:
    """Give what to put before a command; skips the test where root cannot give its rights up."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not there, and nothing is locked for root")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
