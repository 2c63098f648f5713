"""The file's name that an answer's head gives (RFC 6266), read from a stranger's header."""

from __future__ import annotations

from email.message import Message


def file_name_in(disposition: str) -> str:
    """Give the file's name in a Content-Disposition; empty where it has none that can be read."""
    message = Message()
    message["Content-Disposition"] = disposition
    try:
        return message.get_filename() or ""
    except (LookupError, TypeError, ValueError):  # which email raises for odd continuations
        return ""
