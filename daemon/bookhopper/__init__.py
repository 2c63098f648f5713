"""bookhopper: want-lists in, verified books out."""

__version__ = "0.1.0"
