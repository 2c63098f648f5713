"""The name of a file, from whatever a server puts into its head."""

from __future__ import annotations

import pytest

from bookhopper.net.dispositions import file_name_in


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="Emma.epub"', "Emma.epub"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.epub", "€ rates.epub"),
        ("inline; filename*0=Em; filename*1=ma.epub", "Emma.epub"),
        ("inline; name=x.epub", ""),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename*0=a; filename*\r; filename*b", ""),
        ("a; filename*=nonsense''x", "x"),
        ("a; filename*0*=%", "%"),
    ],
)
def test_a_name_or_none(disposition: str, name: str) -> None:
    assert file_name_in(disposition) == name
