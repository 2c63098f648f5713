"""Whether a file is a whole, readable, unprotected book."""

from bookhopper.verify.base import Verdict
from bookhopper.verify.dispatch import verify

__all__ = ["Verdict", "verify"]
