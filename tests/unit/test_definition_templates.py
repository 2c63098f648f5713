"""Templates and filters of definitions: what they give, where they are wrong, and that they end."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from bookhopper.search.definitions import dates
from bookhopper.search.definitions.budget import MAX_TEXT, Budget, BudgetError
from bookhopper.search.definitions.filters import FILTERS, check_arguments, kind_of
from bookhopper.search.definitions.paths import json_path
from bookhopper.search.definitions.patterns import pattern
from bookhopper.search.definitions.template_syntax import TemplateError
from bookhopper.search.definitions.templates import Template, Value

VALUES: dict[str, Value] = {
    "Keywords": "jane eyre",
    "Query.Title": "Jane Eyre",
    "Query.Author": "Charlotte Brontë",
    "Query.Isbn": "",
    "Config.sort": "new",
    "Result.authors": ("Ann", "Ben"),
    "Result.none": (),
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain { text } }}", "plain { text } }}"),
        ("{{ .Keywords }}", "jane eyre"),
        ("{{.Keywords}}!", "jane eyre!"),
        ("a  {{- .Config.sort -}}  b", "anewb"),
        ("{{ .Unknown }}", ""),
        ("{{ if .Query.Isbn }}isbn{{ else }}{{ .Query.Title }}{{ end }}", "Jane Eyre"),
        ("{{ if .Query.Isbn }}a{{ else if .Keywords }}b{{ else }}c{{ end }}", "b"),
        ("{{ if .Query.Isbn }}a{{ else if .Result.none }}b{{ else }}c{{ end }}", "c"),
        ("{{ if and .Keywords .Config.sort }}both{{ end }}", "both"),
        ("{{ if and .Keywords .Query.Isbn }}both{{ end }}", ""),
        ("{{ or .Query.Isbn .Keywords }}", "jane eyre"),
        ('{{ if eq .Config.sort "new" }}y{{ else }}n{{ end }}', "y"),
        ('{{ if eq .Config.sort "old" "new" }}y{{ else }}n{{ end }}', "y"),
        ('{{ if ne .Config.sort "new" }}y{{ else }}n{{ end }}', "n"),
        ("{{ if not .Query.Isbn }}none{{ end }}", "none"),
        ('{{ if (and .Keywords (eq .Config.sort "new")) }}y{{ end }}', "y"),
        ('{{ join .Result.authors " & " }}', "Ann & Ben"),
        ("{{ range .Result.authors }}[{{ . }}]{{ end }}", "[Ann][Ben]"),
        ("{{ range $n, $who := .Result.authors }}{{ $n }}={{ $who }} {{ end }}", "0=Ann 1=Ben "),
        ("{{ range $who := .Result.authors }}{{ $who }}{{ end }}", "AnnBen"),
        ("{{ range .Result.none }}x{{ else }}nobody{{ end }}", "nobody"),
        ('{{ re_replace .Query.Title "(\\\\w+) (\\\\w+)" "$2, $1" }}', "Eyre, Jane"),
        ("{{ re_replace .Query.Title `\\s+` `+` }}", "Jane+Eyre"),
        ("{{ urlencode .Query.Author }}", "Charlotte+Bront%C3%AB"),
        ('{{ "in \\"quotes\\"" }}', 'in "quotes"'),
        ("{{ .Keywords.__class__ }}", ""),
    ],
)
def test_a_template_is_filled_in(template: str, text: str) -> None:
    assert Template.parse(template).render(VALUES, Budget()) == text


@pytest.mark.parametrize(
    ("template", "place", "what"),
    [
        ("ab {{ .Keywords", 4, "not closed"),
        ("{{ }}", 4, "nothing between"),
        ("{{ end }}", 1, "ends nothing"),
        ("a{{ if .Keywords }}b", 2, "`if` has no `end`"),
        ("{{ range .X }}b{{ else }}", 1, "`range` has no `end`"),
        ("{{ system .Keywords }}", 4, "no function `system`"),
        ("{{ eq .Keywords }}", 4, "`eq` takes 2 to 9 values, not 1"),
        ("{{ .Keywords .Keywords }}", 14, "one too many"),
        ("{{ if (eq .A .B }}x{{ end }}", 7, "not closed"),
        ("{{ $x }}", 4, "means nothing outside"),
        ("{{ . }}", 4, "means nothing outside"),
        ("{{ eq .A b }}", 10, "is no value"),
        ("{{ .A | upper }}", 7, "cannot be understood"),
        ("{{ re_replace .A .B .C }}", 4, "stands in quotes"),
        ("{{ re_replace .A `(` `` }}", 4, "no regular expression"),
        ("{{ if .A }}" * 30 + "{{ end }}" * 30, 1, "nested more than 20"),
        ("x" * 5000, 4001, "at most 4,000"),
    ],
)
def test_a_fault_of_a_template_has_its_place(template: str, place: int, what: str) -> None:
    with pytest.raises(TemplateError, match=what) as fault:
        Template.parse(template)
    assert str(fault.value).startswith(f"character {place} of the template: ")


def test_the_values_that_a_template_names_are_known() -> None:
    parsed = Template.parse("{{ if .A }}{{ join .B.C .D }}{{ range .E }}{{ . }}{{ end }}{{ end }}")
    assert [reference.name for reference in parsed.references] == ["A", "B.C", "D", "E"]


def test_a_template_cannot_grow_without_bounds() -> None:
    many: dict[str, Value] = {"L": ("x" * 1000,) * 1000}
    with pytest.raises(BudgetError, match="grows beyond"):
        Template.parse("{{ range .L }}{{ . }}{{ end }}").render(many, Budget())
    with pytest.raises(BudgetError, match="more than 200,000 steps"):
        Template.parse("{{ range .L }}{{ range .L }}{{ if . }}{{ end }}{{ end }}{{ end }}").render(
            {"L": ("",) * 1000}, Budget()
        )


def filtered(name: str, text: str, *arguments: str) -> str:
    check_arguments(name, arguments, are_static=True)
    return kind_of(name).apply(text, arguments, Budget())


@pytest.mark.parametrize(
    ("name", "arguments", "text", "result"),
    [
        ("append", ("!",), "a", "a!"),
        ("dateparse", ("2006-01-02",), "1999-12-31", "1999-12-31"),
        ("dateparse", ("January 2, 2006",), "May 7, 1999", "1999-05-07"),
        ("dateparse", ("02/01/06",), "07/05/99", "1999-05-07"),
        ("dateparse", ("d MMMM yyyy",), "7 May 1999", "1999-05-07"),
        ("dateparse", ("yyyy-MM-dd HH:mm",), "1999-05-07 10:30", "1999-05-07"),
        ("dateparse", ("2006",), "nothing", ""),
        ("diacritics", ("replace",), "Charlotte Brontë", "Charlotte Bronte"),
        ("fuzzytime", (), "Fri, 07 May 1999 10:00:00 +0000", "1999-05-07"),
        ("fuzzytime", (), "7 May 1999", "1999-05-07"),
        ("fuzzytime", (), "1999", "1999-01-01"),
        ("fuzzytime", (), "soon", ""),
        ("htmldecode", (), "A &amp; B &#39;c&#39;", "A & B 'c'"),
        ("jsonjoinarray", ("$.a[*].n", ", "), '{"a": [{"n": "x"}, {"n": 2}]}', "x, 2"),
        ("jsonjoinarray", ("a", ","), "no json", ""),
        ("prepend", ("/",), "a", "/a"),
        ("querystring", ("id",), "/book?x=1&id=a%20b", "a b"),
        ("querystring", ("id",), "http://[", ""),
        ("re_replace", (r"(\d+)-(\d+)", "${2}.$1"), "12-34", "34.12"),
        ("re_replace", ("a", r"\1 $$"), "a", r"\1 $"),
        ("regexp", (r"(\d{4})",), "in 1847, or 1848", "1847"),
        ("regexp", (r"\d{4}",), "none", ""),
        ("regexp", (r"x(y)?",), "x", ""),
        ("replace", ("a", "b"), "banana", "bbnbnb"),
        ("replace", ("", "b"), "banana", "banana"),
        ("split", (" by ", "1"), "Emma by Jane", "Jane"),
        ("split", ("/", "-1"), "a/b/c", "c"),
        ("split", ("/", "7"), "a/b/c", ""),
        ("timeago", (), "not at all", ""),
        ("tolower", (), "ÄB", "äb"),
        ("toupper", (), "äb", "ÄB"),
        ("trim", (), "  a ", "a"),
        ("trim", ("()",), "(a)", "a"),
        ("urldecode", (), "a+b%C3%A4", "a bä"),
        ("urlencode", (), "a bä", "a+b%C3%A4"),
        ("validate", ("epub, pdf",), "PDF / Epub [mobi]", "pdf, epub"),
        ("validfilename", (), "a/b:c?", "abc"),
    ],
)
def test_a_filter_does_what_it_says(name: str, arguments: tuple[str, ...], text: str, result: str) -> None:
    assert filtered(name, text, *arguments) == result


def test_every_filter_is_tested() -> None:
    marks = test_a_filter_does_what_it_says.pytestmark  # type: ignore[attr-defined]  # set by the decorator
    assert {case[0] for case in marks[0].args[1]} == set(FILTERS)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2 days ago", "2024-02-28"),
        ("an hour, 5 min ago", "2024-02-29"),
        ("3 weeks ago", "2024-02-09"),
        ("1 month ago", "2024-01-30"),
        ("2mo", "2023-12-31"),
        ("1 year ago", "2023-03-01"),
        ("2 moons", ""),
        ("9999 years ago", ""),
    ],
)
def test_how_long_ago(text: str, result: str) -> None:
    assert dates.parse_ago(text, lambda: datetime(2024, 3, 1, 0, 30, tzinfo=UTC)) == result


@pytest.mark.parametrize(("text", "result"), [("Yesterday, 10:30", "2024-02-29"), ("today", "2024-03-01")])
def test_words_for_days(text: str, result: str) -> None:
    assert dates.parse_fuzzy(text, lambda: datetime(2024, 3, 1, tzinfo=UTC)) == result


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("re_repalce", ("a", "b"), "no filter is called `re_repalce`: did you mean `re_replace`?"),
        ("exec", (), "no filter is called `exec`: known are append, "),
        ("append", (), "`append` takes 1 arguments, not 0"),
        ("regexp", ("(",), "`(` is no regular expression: "),
        ("regexp", ("x" * 1001,), "at most 1000 characters"),
        ("re_replace", ("(a)", "$2"), "`(a)` has no group 2"),
        ("re_replace", ("(a)", "${name}"), "`(a)` has no group name"),
        ("split", ("", "1"), "`split` needs a text to split at"),
        ("split", (" ", "one"), "`split` needs a whole number, not `one`"),
        ("jsonjoinarray", ("a..b", ""), "`a..b` is no path"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(name: str, arguments: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check_arguments(name, arguments, are_static=True)
    assert fault in str(refused.value)


@pytest.mark.parametrize("expression", ["(a|aa)+$", "(x+x+)+y", "(.*?,){11}P"])
def test_a_regular_expression_comes_to_its_end(expression: str) -> None:
    budget = Budget(seconds=0.05)
    text = {"(a|aa)+$": "a" * 60 + "b", "(x+x+)+y": "x" * 60_000}.get(expression, "1,2,3,4,5,6,7,8,9," * 300)
    with pytest.raises(BudgetError, match="takes too long on this page"):
        pattern(expression).find(text, budget)
    with pytest.raises(BudgetError, match="takes too long on this page"):
        pattern(expression).replace(text, "", budget)
    assert budget.seconds <= 0


def test_values_do_not_grow_without_bounds() -> None:
    with pytest.raises(BudgetError, match="grows beyond"):
        filtered("replace", "a" * 1000, "a", "b" * 1000)
    with pytest.raises(BudgetError, match="grows beyond"):
        filtered("re_replace", "a" * 1000, "a", "b" * 1000)
    assert len(filtered("replace", "a" * 1000, "a", "b" * 60)) == 60_000 < MAX_TEXT


@pytest.mark.parametrize(
    ("expression", "replacement"), [("(?=(.*))", "$1"), ("(.*)", "$1" * 1900), ("a", "b" * 3900)]
)
def test_a_replacement_is_not_built_before_it_is_measured(expression: str, replacement: str) -> None:
    pattern(expression)
    tracemalloc.start()
    try:
        with pytest.raises(BudgetError, match="grows beyond"):
            pattern(expression).replace("a" * MAX_TEXT, replacement, Budget())
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_replacement_is_written_as_it_stands() -> None:
    assert (
        pattern("(?P<one>a)(b)?").replace("ab a", r"[${one}$2$$\1${2}\n]", Budget()) == r"[ab$\1b\n] [a$\1\n]"
    )
    assert pattern("x*").replace("abxd", "-", Budget()) == "-a-b--d-"


DOCUMENT = {
    "data": {"items": [{"n": 1, "tags": ["x", "y"]}, {"n": None}]},
    "metadata": [{"key": "dc.title", "value": "T"}, {"key": "dc.date", "value": "2020"}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data.items.n", [1]),
        ("$.data.items[0].tags", ["x", "y"]),
        ("data.items[-1].n", []),
        ("data.items[5]", []),
        ("metadata[key=dc.title].value", ["T"]),
        ("metadata[*].key", ["dc.title", "dc.date"]),
        ("nothing.at.all", []),
        ("data.items.tags[1]", ["y"]),
    ],
)
def test_a_path_finds(path: str, found: list[object]) -> None:
    assert json_path(path).find(DOCUMENT) == found


def test_a_path_grows_no_more_than_it_may() -> None:
    nested: object = "x"
    for _ in range(8):
        nested = [nested] * 10
    assert len(json_path("[*][*][*][*][*][*][*][*]").find(nested)) <= 10_000
