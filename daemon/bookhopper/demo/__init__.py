"""The demonstration: a small library, the real daemon and a want-list, on this machine alone."""
