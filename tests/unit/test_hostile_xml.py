"""XML from strangers: what costs too much is refused with its reason, what readers forgive is parsed."""

from __future__ import annotations

import pytest

from bookhopper.hostile_xml import MAX_MARKUP, XmlError, local_name, parse_xml


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<r>" + b"<a/>" * MAX_MARKUP + b"</r>", "too many elements"),
        (b"<r " + b"a='' " * MAX_MARKUP + b"/>", "too many elements"),
        (b"<r>" + b"&e;" * MAX_MARKUP + b"</r>", "too many elements"),
        (("<r>" + "<a/>" * MAX_MARKUP + "</r>").encode("utf-16"), "too many elements"),
        (b"<r>" + b" " * (8 << 20) + b"</r>", "more than 8 MiB"),
        (b"", "no XML"),
        (b"zzz", "no XML"),
        (b"\x80\x81", "no XML"),
    ],
    ids=["elements", "attributes", "entities", "UTF-16", "bytes", "empty", "text", "binary"],
)
def test_what_costs_too_much_or_is_no_xml_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(XmlError, match=reason):
        parse_xml(document)


def test_a_caller_can_allow_less() -> None:
    assert parse_xml(b"<r>" + b" " * 1000 + b"</r>", max_bytes=1 << 20).tag == "r"
    with pytest.raises(XmlError, match="more than 1 MiB"):
        parse_xml(b"<r>" + b" " * (1 << 20) + b"</r>", max_bytes=1 << 20)


@pytest.mark.parametrize(
    "document",
    [b"<r>a & b</r>", b"<r>&nbsp;</r>", b"\n <?xml version='1.0'?><r/>", b"<r>\x01</r>", b"<r><a>"],
)
def test_what_readers_forgive_is_parsed(document: bytes) -> None:
    assert parse_xml(document).tag == "r"


def test_entities_are_neither_expanded_nor_loaded() -> None:
    document = b"""<!DOCTYPE r [<!ENTITY a "bomb"><!ENTITY f SYSTEM "file:///etc/hostname">]><r>&a;&f;</r>"""
    root = parse_xml(document)
    assert root.text is None
    assert [reference.text for reference in root] == ["&a;", "&f;"]


@pytest.mark.parametrize(
    "reference", ["&#xD800;", "&#xdfff;", "&#x00dC12;", "&#55296;", "&#057343;", "&#56789;"]
)
def test_a_half_character_breaks_no_text(reference: str) -> None:
    root = parse_xml(f"<r a='x{reference}y'>t{reference}u</r>".encode())
    assert (root.get("a"), root.text) == ("x\ufffdy", "t\ufffdu")


@pytest.mark.parametrize("reference", ["&#xD7FF;", "&#xE000;", "&#55295;", "&#57344;"])
def test_its_neighbours_are_characters(reference: str) -> None:
    assert len(parse_xml(f"<r>{reference}</r>".encode()).text or "") == 1


def test_half_characters_in_utf_16_are_refused() -> None:
    with pytest.raises(XmlError, match="no XML"):
        parse_xml("<r a='&#xD800;'/>".encode("utf-16"))


@pytest.mark.parametrize(
    ("document", "name"), [(b"<a:b/>", "a:b"), (b"<:b/>", ":b"), (b"<b xmlns='u'/>", "b")]
)
def test_any_name_that_is_parsed_can_be_told(document: bytes, name: str) -> None:
    assert local_name(parse_xml(document)) == name
    assert local_name(parse_xml(b"<r>&x;</r>")[0]) == ""
