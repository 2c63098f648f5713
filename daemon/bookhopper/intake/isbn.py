"""ISBNs as people write them; kept apart because python-stdnum takes 40 ms to import."""

from __future__ import annotations

from stdnum import ean, isbn
from stdnum.exceptions import InvalidChecksum, ValidationError


class IsbnError(ValueError):
    """A text was meant to be an ISBN and is none; the text says what would be right."""


def to_isbn13(digits: str) -> str:
    """Give the ISBN-13 of an ISBN-10 or -13 (only digits and a final X); raises IsbnError."""
    number = digits.upper()
    if len(number) not in {10, 13}:
        raise IsbnError(f"an ISBN has 10 or 13 digits, {number} has {len(number)}")
    if len(number) == 13 and not number.startswith(("978", "979")):
        raise IsbnError(f"{number} is no ISBN: an ISBN-13 begins with 978 or 979")
    try:
        return str(isbn.to_isbn13(isbn.validate(number)))
    except InvalidChecksum as fault:
        raise IsbnError(
            f"{number} is no ISBN: its last digit should be {_check_digit(number)}, or another is mistyped"
        ) from fault
    except ValidationError as fault:
        raise IsbnError(f"{number} is no ISBN: only the last place of an ISBN-10 may be an X") from fault


def _check_digit(number: str) -> str:
    if len(number) == 13:
        return str(ean.calc_check_digit(number[:-1]))
    rest = sum(place * int(digit) for place, digit in enumerate(number[:-1], start=1)) % 11
    return "X" if rest == 10 else str(rest)
