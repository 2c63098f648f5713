"""Files that come with the program and are no code, as the package holds them.

In a clone `config` and `systemd` are links to the folders at its top, so that each file is there once; in a
wheel and in an sdist they are folders of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CONFIG = Path(__file__).parent / "config"
"""An example of the configuration, definitions of catalogues, what Prometheus and Grafana need."""

SYSTEMD = Path(__file__).parent / "systemd"
"""The unit, and the files that make its account and its folders."""

COMPLETION = Path(__file__).parent / "completion"
"""For each shell by its name the file that completes commands, called as that shell wants it."""

MANUAL = Path(__file__).parent / "man" / "bookhopper.1"

_PURPOSES = {
    "bookhopper.example.yaml": "every key of the configuration, with its default",
    "container": "an image, and compose files to run it",
    "grafana": "the dashboard, and how Grafana finds it",
    "prometheus": "what Prometheus scrapes, and its alerts",
    "sources.d": "definitions of catalogues",
    "systemd": "the unit of a service, with its account and folders",
}


def named() -> Mapping[str, Path]:
    """Give every such file by its name: its path below `config`, or below the folder that has `systemd`."""
    tops = {CONFIG: CONFIG, SYSTEMD: SYSTEMD.parent}
    found = {
        str(path.relative_to(base)): path
        for top, base in tops.items()
        for path in top.rglob("*")
        if path.is_file()
    }
    return dict(sorted(found.items()))


def purpose(name: str) -> str:
    """Say what the file of that name, or its folder, is for; nothing where that is not known."""
    return _PURPOSES.get(name.partition("/")[0], "")
