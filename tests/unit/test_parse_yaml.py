from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.intake.base import Limits, UnreadableRequestError
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Pick, Want

WHOLE = "must be a whole number (lower is more urgent)"
NO_ISBN = "is no ISBN: its last digit should be 7, or another is mistyped"
NO_TAG = "means nothing here; put a text that begins with `!` in quotes"


def read(text: str) -> list[Want | BadLine]:
    return list(parse("list.yaml", text.encode()))


def want(text: str) -> Want:
    (entry,) = read(text)
    assert isinstance(entry, Want), entry
    return entry


def bad(text: str) -> BadLine:
    entries = [entry for entry in read(text) if isinstance(entry, BadLine)]
    assert len(entries) == 1, entries
    return entries[0]


def refused(text: str, limits: Limits | None = None) -> UnreadableRequestError:
    with pytest.raises(UnreadableRequestError) as caught:
        list(parse("list.yaml", text.encode(), limits))
    return caught.value


@pytest.mark.parametrize(
    "text", ["- Towers (Barset, #2) by Trollope\n", "- Emma\n- title: Towers #2\n  author: Trollope\n"]
)
def test_a_number_that_yaml_takes_for_a_comment_is_told(text: str) -> None:
    found = bad(text)
    assert "#2" in found.raw
    assert found.reason.endswith("for a comment: put the text in quotes")


def test_comments_and_quotes_stay_what_they_are() -> None:
    text = "- Emma  # 2 of these\n- 'Towers #2' # x\n- 'Dune'  #2\n"
    assert [entry.raw for entry in read(text)] == ["Emma", "Towers #2", "Dune"]


def test_every_key() -> None:
    found = want(
        """\
- title: "Dune: Messiah"
  authors: [Frank Herbert, Somebody Else]
  isbn: 0-306-40615-2
  year: 1969
  language: en
  formats: [EPUB, .pdf]
  series: Dune
  priority: -3
  tags: [sf, desert]
  force: yes
"""
    )
    assert found == Want(
        title="Dune: Messiah",
        authors=("Frank Herbert", "Somebody Else"),
        isbn="9780306406157",
        year=1969,
        language="en",
        formats=("epub", "pdf"),
        series="Dune",
        priority=-3,
        tags=("sf", "desert"),
        force=True,
        line=1,
        raw="Dune: Messiah — Frank Herbert, Somebody Else",
    )


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (
            "- {title: x, author: Terry Pratchett and Neil Gaiman}",
            "authors",
            ("Terry Pratchett", "Neil Gaiman"),
        ),
        ("- {title: x, author: 'Austen, Jane'}", "authors", ("Austen, Jane",)),
        ("- {title: 1984}", "title", "1984"),
        ("- {title: yes}", "title", "yes"),
        ("- {title: x, formats: 'epub, pdf'}", "formats", ("epub", "pdf")),
        ("- {title: x, year: ~}", "year", None),
        ("- {title: x, year: -800}", "year", -800),
        ("- title: x\n  priority: !\n", "priority", 0),
        ("- {title: x, priority: '!!'}", "priority", -1),
        ("- {title: x, force: 'off'}", "force", False),
        ("- {isbn: 9780306406157}", "isbn", "9780306406157"),
        ("- {isbn: 0306406152}", "isbn", "9780306406157"),
        ("- {pick: 'gutenberg:1342'}", "pick", Pick("gutenberg", "1342")),
        ("- pick: 12 gutenberg:1342    # Emma", "pick", Pick("gutenberg", "1342", 12)),
        ("- Emma — Jane Austen", "authors", ("Jane Austen",)),
        ("- ! Emma", "priority", 0),
        ("- '!! Emma'", "priority", -1),
        ("- '#Girlboss'", "title", "#Girlboss"),
        ('- "E\\tmma\\u202e"', "title", "E mma"),
        ("- &a {title: Emma}", "title", "Emma"),
        ("- |\n  Emma by\n  Jane Austen\n", "authors", ("Jane Austen",)),
    ],
)
def test_values(text: str, field: str, value: object) -> None:
    assert getattr(want(text), field) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("- Emma\n- titel: x", 2, 3, "unknown key 'titel'; did you mean `title`?"),
        ("- {title: x, autor: y}", 1, 14, "unknown key 'autor'; did you mean `author`?"),
        ("- Ivanhoe: a romance", 1, 3, "unknown key 'Ivanhoe'; put a title that holds a colon in quotes"),
        ("- {title: x, year: then}", 1, 20, "`year` must be a whole number, such as 1925, not 'then'"),
        ("- {title: x, year: 19.5}", 1, 20, "`year` must be a whole number, such as 1925, not '19.5'"),
        ("- {title: x, year: [1]}", 1, 20, "`year` must be a text, not a list"),
        ("- {title: x, priority: high}", 1, 24, f"`priority` {WHOLE}, not 'high'"),
        ("- {title: x, force: maybe}", 1, 21, "`force` must be true or false, not 'maybe'"),
        ("- {title: x, formats: e/p}", 1, 23, "`formats` holds 'e/p'; a format is written like epub"),
        ("- {title: x, tags: {a: b}}", 1, 20, "`tags` must be a text, not a mapping"),
        ("- {title: x, tags: [[a]]}", 1, 21, "`tags` must be a text, not a list"),
        ("- {title: x, title: y}", 1, 14, "`title` is given twice"),
        ("- {title: x, author: y, authors: z}", 1, 25, "`authors` is given twice"),
        ("- {title: '?!'}", 1, 11, "`title` is only punctuation"),
        ("- {title: ''}", 1, 11, "`title` is empty"),
        ("- {author: Jane}", 1, 3, "a want needs a title, an isbn, a pick or a collection"),
        ("- {title: x, isbn: 9780306406158}", 1, 20, f"9780306406158 {NO_ISBN}"),
        ("- {pick: x}", 1, 10, "a pick is written `pick: source:key` or `pick: JOB source:key`"),
        ("- {title: x, <<: {year: 1}}", 1, 14, "merge keys (`<<`) are not read here; use `defaults:`"),
        ("- {[a]: b}", 1, 4, "a key must be a plain word"),
        ("- [Emma]", 1, 3, "a want is a text or a mapping, not a list"),
        ("-\n", 1, 2, "a want is empty"),
        ("- ~", 1, 3, "a want is empty"),
        ("- '...'", 1, 3, "there is no title in this line, only punctuation"),
        ("- *nobody", 1, 3, "there is no anchor &nobody before this alias"),
        ("- !python/object:os.system Emma", 1, 3, f"the tag !python/object:os.system {NO_TAG}"),
        ("- {title: x, series: !!binary aGk=}", 1, 22, f"the tag tag:yaml.org,2002:binary {NO_TAG}"),
    ],
)  # fmt: skip
def test_bad_entries_name_place_and_reason(text: str, line: int, column: int, reason: str) -> None:
    found = bad(text)
    assert (found.line, found.column, found.reason) == (line, column, reason)


def test_good_entries_of_a_half_good_file_are_taken() -> None:
    entries = read("- Emma\n- {titel: x}\n- {title: Dune}\n")
    assert [type(entry) for entry in entries] == [Want, BadLine, Want]
    assert [entry.line for entry in entries] == [1, 2, 3]


@pytest.mark.parametrize("order", ["defaults first", "wants first"])
def test_defaults(order: str) -> None:
    defaults = "defaults: {language: de, formats: epub, priority: 5, tags: [x]}\n"
    wants = "wants:\n- Emma\n- '! Dune'\n- {title: Faust, language: en, priority: 2}\n"
    first, second, third = read(defaults + wants if order == "defaults first" else wants + defaults)
    assert isinstance(first, Want)
    assert (first.language, first.formats, first.priority, first.tags) == ("de", ("epub",), 5, ("x",))
    assert isinstance(second, Want)
    assert (second.language, second.priority) == ("de", 0)
    assert isinstance(third, Want)
    assert (third.language, third.priority, third.formats) == ("en", 2, ("epub",))


def test_bad_defaults_and_top_keys_are_bad_lines() -> None:
    first, *others = read("defaults: {langauge: de, priority: 7}\nwants: [Emma]\nwnats: [x]\nwants: [y]\n")
    assert isinstance(first, Want)
    assert first.priority == 7
    assert [(entry.line, entry.column, entry.reason) for entry in others if isinstance(entry, BadLine)] == [
        (1, 12, "unknown key 'langauge'; did you mean `language`?"),
        (3, 1, "unknown key 'wnats'; did you mean `wants`?"),
        (4, 1, "the key wants comes twice"),
    ]
    assert "must be a mapping" in bad("defaults: [x]\nwants: [Emma]\n").reason


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("", 1, 1, "no want in it"),
        ("# nothing\n", 1, 1, "no want in it"),
        ("[]", 1, 1, "no want in it"),
        ("wants: []", 1, 1, "no want in it"),
        ("Emma\n", 1, 1, "is a list: begin each want with `- `"),
        ("want:\n- Emma\n", 1, 1, "did you mean `wants`?"),
        ("defaults: {year: 1}\n", 1, 1, "a mapping with `wants:`"),
        ("wants: Emma\n", 1, 8, "`wants` must be a list"),
        ("- Emma\n---\n- Dune\n", 3, 1, "one YAML document"),
        ("- title: Dune: Messiah\n", 1, 14, "in quotes"),
        ("- 'Emma\n", 2, 1, "end of stream"),
        ("- !! Emma\n", 1, 5, "exclamation mark in quotes"),
        ("- Emma\n- @x\n", 2, 3, "in quotes"),
        ("- * Emma\n", 1, 4, "asterisk"),
        ("- é\n- a\x01b\n", 2, 4, "no control characters (U+0001)"),
        ("[" * 50_000, 1, 10, "nested more than 8 levels"),
        ("- " * 50, 1, 19, "nested more than 8 levels"),
        ("{wants: [Emma], x: " + "[" * 5000, 1, 28, "nested more than 8 levels"),
    ],
)
def test_unreadable_files(text: str, line: int, column: int, part: str) -> None:
    fault = refused(text)
    assert (fault.line, fault.column) == (line, column), fault
    assert part in fault.reason


def test_alias_bomb_is_refused_early() -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    fault = refused("\n".join(lines))
    assert fault.line == 4
    assert "too many alias expansions" in fault.reason


def test_aliases_within_reason_are_fine() -> None:
    entries = read("- &a {title: Emma, tags: &t [x, y]}\n- *a\n- {title: Dune, tags: *t}\n")
    assert [entry.title for entry in entries if isinstance(entry, Want)] == ["Emma", "Emma", "Dune"]


def test_aliases_repeat_no_more_than_a_file_may_hold() -> None:
    tags = ", ".join(f"{number:0200}" for number in range(50))
    text = f"- {{title: x, tags: &t [{tags}]}}\n" + "- {title: x, tags: *t}\n" * 200_000
    limits = Limits(lines=300_000)
    fault = refused(text, limits)
    # Each alias costs its list and fifty texts; the one that goes over the budget is named.
    assert (fault.line, fault.column) == (2 + limits.size // (4 + 50 * 204), 20)
    assert fault.reason == "aliases and defaults repeat more than 20,000,000 characters in this file"


@pytest.mark.parametrize(
    "text",
    [
        "- &a {title: x, tags: [" + "y, " * 40 + "]}\n" + "- *a\n" * 500,
        "- &t " + "x" * 200 + "\n" + ("- {title: x, authors: [" + "*t, " * 40 + "]}\n") * 20,
        "- &a [&b [&c " + "x" * 50 + ", *c], *b]\n" + "- [*a, *b]\n" * 100,
        "defaults: {tags: [" + "y, " * 40 + "]}\nwants:\n" + "- x\n" * 500,
        "wants:\n" + "- x\n" * 500 + "defaults: {series: " + "y" * 200 + "}\n",
    ],
    ids=["whole entries", "texts", "aliases in aliases", "defaults", "defaults at the end"],
)
def test_every_repetition_counts(text: str) -> None:
    assert "repeat more than 10,000 characters" in refused(text, Limits(size=10_000)).reason


def test_ordinary_defaults_of_the_longest_list_are_within_the_budget() -> None:
    defaults = "defaults: {language: en, formats: [epub, pdf], tags: [holiday, family], priority: 5}\n"
    assert len(read(defaults + "wants:\n" + "- ~\n" * 200_000)) == 200_000


@pytest.mark.parametrize(("key", "separator"), [("tags", ","), ("authors", "; ")])
def test_a_list_of_more_than_fifty_is_a_bad_line(key: str, separator: str) -> None:
    assert len(getattr(want(f"- {{title: x, {key}: [{'y, ' * 50}]}}"), key)) == 50
    for value in ("[" + "y, " * 51 + "]", "'" + separator.join("y" * 51) + "'"):
        found = bad(f"- Emma\n- {{title: x, {key}: {value}}}")
        assert (found.line, found.reason) == (2, f"`{key}` has 51 items, more than 50")


def test_one_huge_entry_or_too_many_wants_are_refused() -> None:
    assert "too many values" in refused("- [" + "a," * 20_000 + "]").reason
    with pytest.raises(UnreadableRequestError, match="more than 3 wants"):
        list(parse("a.yaml", b"[a, b, c, d]", Limits(lines=3)))


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
KEYS = st.sampled_from(["title", "author", "isbn", "year", "tags", "formats", "force", "pick", "titel", "<<"])
WANTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(st.lists(WANTS, min_size=1, max_size=6))
def test_each_entry_is_a_want_or_a_bad_line(wants: list[object]) -> None:
    """Whatever YAML a program writes, every item of the list comes out once and in order."""
    text = yaml.safe_dump(wants, allow_unicode=True)
    try:
        entries = read(text)
    except UnreadableRequestError:
        return
    assert len(entries) == len(wants)
    assert [entry.line for entry in entries] == sorted(entry.line for entry in entries)
    assert all("\n" not in entry.reason for entry in entries if isinstance(entry, BadLine))


@given(st.text(alphabet="-[]{}:,&*!#|>%@`'\"ab01 \n\t", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    fault: UnreadableRequestError | None = None
    try:
        read(text)
    except UnreadableRequestError as raised:
        fault = raised
    assert fault is None or (fault.line >= 1 and fault.column >= 1 and "\n" not in str(fault))
