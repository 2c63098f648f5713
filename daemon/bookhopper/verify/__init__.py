"""Whether a file is a whole, readable, unprotected book."""

from bookhopper.verify.base import Check, Verdict
from bookhopper.verify.dispatch import verify

__all__ = ["Check", "Verdict", "verify"]
