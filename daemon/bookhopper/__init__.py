"""bookhopper: want-lists in, verified books out."""

__version__ = "0.1.0"
RELEASED = "2026-11-21"
"""The day of that version, as ISO 8601 writes it."""
