"""Names and titles as libraries write them, as they stand on a cover."""

from __future__ import annotations

import pytest

from bookhopper.search.sources.library_names import clean_title, natural_name, split_names


@pytest.mark.parametrize(
    ("name", "natural"),
    [
        ("Wells, H. G. (Herbert George)", "H. G. Wells"),
        ("King, Martin Luther, Jr.", "Martin Luther King Jr."),
        ("Orczy, Emmuska Orczy, Baroness", "Emmuska Orczy"),
        ("Homer", "Homer"),
        ("Augustine, of Hippo, Saint", "Augustine of Hippo"),
        ("Pliny, the Younger", "Pliny the Younger"),
        ("Thomas, à Kempis", "Thomas à Kempis"),
        ("Sade, marquis de", "marquis de Sade"),
        ("", ""),
        (",", ""),
    ],
)
def test_names_as_on_a_cover(name: str, natural: str) -> None:
    assert natural_name(name) == natural


@pytest.mark.parametrize(
    ("field", "authors", "contributors"),
    [
        ("Lawrence, D. H. (David Herbert), 1885-1930", ("D. H. Lawrence",), ()),
        ("Homer, -750--650", ("Homer",), ()),
        ("Homer, 751? BCE-651? BCE", ("Homer",), ()),
        ("Sunzi, active 6th century B.C.; Giles, Lionel, 1875-1958 [Translator]", ("Sunzi",), ()),
        ("Camões, Luís de, -1580", ("Luís de Camões",), ()),
        ("Various; Poe, E. A. [Contributor]", (), ("E. A. Poe",)),
        ("Anonymous", (), ()),
    ],
)
def test_the_authors_field(field: str, authors: tuple[str, ...], contributors: tuple[str, ...]) -> None:
    assert split_names(field) == (authors, contributors)


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("Sappho : $b Ein Trauerspiel", "Sappho: Ein Trauerspiel"),
        ("The Bill of Rights\r\nThe Ten Amendments", "The Bill of Rights: The Ten Amendments"),
        ("Emma;\n  or, Nobody ", "Emma: or, Nobody"),
        ("  \n ", ""),
    ],
)
def test_titles_on_one_line(title: str, clean: str) -> None:
    assert clean_title(title) == clean
