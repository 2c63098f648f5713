"""Hostile bytes for everything that takes bytes from outside: one table of targets, and two drivers for it.

`targets.TARGETS` is the table.  `test_targets.py` runs it with hypothesis, the same cases each time;
`python -m tests.fuzz TARGET --seconds 600` runs it with atheris, which looks for new ways through the code.
"""
