"""Files that come with the program and are no code, as the package holds them.

In a clone `config` and `systemd` are links to the folders at its top, so that each file is there once; in a
wheel and in an sdist they are folders of their own.
"""

from __future__ import annotations

from pathlib import Path

CONFIG = Path(__file__).parent / "config"
"""An example of the configuration, definitions of catalogues, what Prometheus and Grafana need."""

SYSTEMD = Path(__file__).parent / "systemd"
"""The unit, and the files that make its account and its folders."""
