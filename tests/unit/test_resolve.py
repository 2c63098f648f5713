"""Decisions: what is taken unattended, what a person has to choose, what waits for a source."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bookhopper.errors import BusyError, HeldError, PermanentError, Scope, TransientError
from bookhopper.model import Candidate, Pick, Reading, Want
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.search.sources.base import Health, Query
from bookhopper.ticket import Interrupted, Reason, Ticket

EMMA = Want(title="Emma", authors=("Jane Austen",))


class Shelf:
    """A source that offers what it was given, or fails as it was told."""

    kind = "shelf"

    def __init__(self, name: str, *books: Candidate, fault: Exception | None = None) -> None:
        self.name = name
        self.books = books
        self.fault = fault
        self.queries: list[Query] = []

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        self.queries.append(query)
        if self.fault:
            raise self.fault
        return [each for each in self.books if each.format in (*query.formats, "") or not query.formats]

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        if self.fault:
            raise self.fault
        return [book for book in self.books if book.key == key and book.format in formats]

    def check(self, ticket: Ticket) -> Health:  # noqa: ARG002
        return Health(ok=True)

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None:
        pass


def book(key: str, title: str, *authors: str, language: str = "en", form: str = "epub") -> Candidate:
    return Candidate("shelf", key, title, authors, language, form)


def resolver(*sources: Shelf, languages: Sequence[str] = ("en",)) -> Resolver:
    return Resolver(sources, accept=0.85, margin=0.05, languages=languages, formats=("epub", "pdf"))


def resolve(want: Want, *books: Candidate, languages: Sequence[str] = ("en",)) -> Resolution:
    return resolver(Shelf("shelf", *books), languages=languages).resolve(want, Ticket(1))


def keys(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.key for candidate in candidates]


def test_one_book_that_fits_is_accepted_and_the_rest_is_shown() -> None:
    found = resolve(EMMA, book("1", "Persuasion", "Jane Austen"), book("2", "Emma", "Jane Austen"))
    assert found.decision is Decision.ACCEPT
    assert keys(found.chosen) == ["2"]
    assert keys(found.near) == ["2", "1"]
    assert found.near[0].parts["title"] > found.near[1].parts["title"]


def test_equal_editions_come_after_the_pick_in_order_of_format() -> None:
    found = resolve(
        EMMA,
        book("1", "Emma", "Jane Austen", form="pdf"),
        book("2", "Emma", "Austen, Jane"),
        book("3", "Emma", "Jane Austen", language="fr"),
        book("4", "Emma, Volume 1", "Jane Austen"),
        book("5", "Emma", "Jane Austen"),
    )
    assert keys(found.chosen) == ["5", "2", "1"]


def test_fewer_other_names_on_the_title_page_are_better() -> None:
    found = resolve(EMMA, book("1", "Emma", "Jane Austen"), book("9", "Emma", "Jane Austen", "An Adapter"))
    assert keys(found.chosen) == ["1", "9"]


def test_nothing_close_is_missing() -> None:
    found = resolve(EMMA, book("1", "Persuasion", "Jane Austen"))
    assert (found.decision, found.chosen) == (Decision.MISSING, ())
    assert keys(found.near) == ["1"]
    assert resolve(EMMA).reason


def test_a_line_that_seems_to_ask_for_an_authors_works_is_told_how_to() -> None:
    found = resolve(Want(title="works of Bram Stoker"), book("1", "Dracula", "Bram Stoker"))
    assert found.reason.endswith("all books by an author are asked for by `works of: Bram Stoker`")


def test_what_shares_next_to_nothing_is_not_even_shown() -> None:
    assert resolve(Want(title="Jane Eyre"), book("1", "Emma", "Jane Austen")).near == ()
    assert resolve(EMMA, book("1", "Ivanhoe", "Walter Scott")).near == ()


@pytest.mark.parametrize("form", ["mobi", "pdf"])
def test_a_book_that_is_there_in_other_formats_only_is_told(form: str) -> None:
    shelf = Shelf("shelf", book("1", "Emma", "Jane Austen", form=form))
    found = resolver(shelf).resolve(replace(EMMA, formats=("epub",)), Ticket(1))
    assert (found.decision, found.reason, keys(found.near)) == (
        Decision.MISSING,
        f"found only as {form}",
        ["1"],
    )
    assert [query.formats for query in shelf.queries] == [("epub",), ()]


def test_a_middling_score_is_for_a_person() -> None:
    found = resolve(EMMA, book("1", "Emma, Volume 2", "Jane Austen"))
    assert (found.decision, found.chosen) == (Decision.AMBIGUOUS, ())


def test_works_of_two_authors_with_one_title_are_for_a_person() -> None:
    want = Want(title="The Pilgrim Fathers")
    found = resolve(
        want, book("1", "The Pilgrim Fathers", "A. Brown"), book("2", "The Pilgrim Fathers", "C. Gray")
    )
    assert found.decision is Decision.AMBIGUOUS


def test_a_bare_title_means_the_work_that_everybody_prints() -> None:
    editions = [book(str(number), "Macbeth", "William Shakespeare") for number in range(3)]
    found = resolve(Want(title="MACBETH"), *editions, book("9", "Macbeth", "Ann Other"))
    assert (found.decision, len(found.chosen)) == (Decision.ACCEPT, 3)


@pytest.mark.parametrize(
    ("bare", "editions"), [("Winter", 2), ("Treasure Island", 2), ("The Hound of the Old Baskervilles", 1)]
)
def test_a_short_bare_title_needs_several_editions(bare: str, editions: int) -> None:
    printed = [book(str(number), bare, "Ann Other") for number in range(editions)]
    assert resolve(Want(title=bare), *printed).decision is Decision.ACCEPT
    assert not resolve(Want(title=bare), *printed[1:]).chosen


def test_a_format_behind_a_bare_title_says_nothing_of_the_book() -> None:
    want = Want(title="Cabin Fever epub", readings=(Reading("Cabin Fever"),))
    bower = book("1", "Cabin Fever", "B. M. Bower")
    assert resolve(want, bower).decision is Decision.AMBIGUOUS
    assert resolve(want, bower, replace(bower, key="2")).decision is Decision.ACCEPT


def test_formats_and_copies_of_one_book_are_no_editions() -> None:
    def decided(*books: Candidate) -> Decision:
        return resolve(Want(title="Cabin Fever"), *books).decision

    one, bower = book("1", "Cabin Fever", "B. M. Bower"), "B. M. Bower"
    assert decided(one) is Decision.AMBIGUOUS
    assert decided(one, book("1", "Cabin Fever", bower, form="pdf")) is Decision.AMBIGUOUS
    assert decided(one, book("Cabin Fever.pdf", "Cabin Fever", bower, form="pdf")) is Decision.AMBIGUOUS
    assert decided(one, replace(one, source="other", key="9")) is Decision.AMBIGUOUS
    isbns = ("9780141441146",)
    copies = [replace(each, isbns=isbns) for each in (one, book("2", "Cabin Fever", bower))]
    assert decided(*copies) is Decision.AMBIGUOUS
    assert decided(one, book("2", "Cabin Fever", bower)) is Decision.ACCEPT


def test_neither_formats_nor_sources_make_a_work_prevail_over_its_namesakes() -> None:
    def decided(*books: Candidate) -> Decision:
        return resolve(Want(title="Home"), *books).decision

    formats = [book("1", "Home", "Anna Adams", form=form) for form in ("epub", "pdf")]
    sources = [
        book("1", "Home", "Anna Adams"),
        replace(formats[0], source="b"),
        replace(formats[0], source="c"),
    ]
    namesake = book("2", "Home", "Bob Brown")
    assert decided(*formats, replace(formats[0], format=""), namesake) is Decision.AMBIGUOUS
    assert decided(*sources, namesake) is Decision.AMBIGUOUS
    # Nor do two formats of the namesake count against what is printed three times as often.
    editions = [book(str(number), "Home", "Anna Adams") for number in (3, 4, 5)]
    assert decided(*editions, namesake, replace(namesake, format="pdf")) is Decision.ACCEPT
    elsewhere = replace(namesake, source="other", authors=("Cecil Clark",))
    assert decided(*editions, namesake, elsewhere) is Decision.AMBIGUOUS


def test_a_bare_title_that_everybody_knows_is_enough() -> None:
    kidnapped = replace(book("421", "Kidnapped", "R. L. Stevenson"), known=True)
    assert keys(resolve(Want(title="Kidnapped"), kidnapped).chosen) == ["421"]
    assert not resolve(Want(title="Kidnapped"), kidnapped, book("9", "Kidnapped", "Ann Other")).chosen


def test_the_volumes_of_one_edition_do_not_make_a_bare_title_known() -> None:
    volumes = [book(str(number), f"Northern Lights, Volume {number}", "Ann Other") for number in (1, 2, 3)]
    found = resolve(Want(title="Northern Lights"), book("9", "Northern Lights", "Ann Other"), *volumes)
    assert found.decision is Decision.AMBIGUOUS


def test_many_editions_of_a_lesser_fit_never_lead_to_an_empty_choice() -> None:
    lesser = [book(str(number), "Treasure Islands", "Ann Other") for number in range(3)]
    found = resolve(Want(title="Treasure Island"), book("9", "Treasure Island", "R. L. Stevenson"), *lesser)
    assert (found.decision is Decision.ACCEPT) == bool(found.chosen)
    assert all(candidate.score >= 0.85 for candidate in found.chosen)


def test_a_line_that_seems_to_name_an_author_is_no_bare_title() -> None:
    found = resolve(
        Want(title="homer the odyssey"),
        book("1", "Homer: The Odyssey", "A. Commentator"),
        book("2", "The Odyssey", "Homer"),
    )
    assert keys(found.chosen) in (["2"], [])


def test_other_languages_are_shown_and_not_taken() -> None:
    found = resolve(EMMA, book("1", "Emma", "Jane Austen", language="fi"))
    assert (found.decision, found.chosen, found.reason) == (Decision.AMBIGUOUS, (), "found only in fi")


def test_a_want_that_names_its_language_gets_it() -> None:
    want = Want(title="Emma", authors=("Jane Austen",), language="fi")
    found = resolve(want, book("1", "Emma", "Jane Austen", language="fi"), book("2", "Emma", "Jane Austen"))
    assert keys(found.chosen) == ["1"]


def test_a_remark_names_the_language() -> None:
    want = Want(title="Emma (Spanish edition)", authors=("Jane Austen",))
    spanish, english = book("1", "Emma", "Jane Austen", language="es"), book("2", "Emma", "Jane Austen")
    assert keys(resolve(want, english, spanish).chosen) == ["1"]
    assert resolve(want, english).reason == "found only in en"


def test_the_order_of_languages_is_the_preference() -> None:
    books = [book("1", "Faust", "Goethe"), book("2", "Faust", "Goethe", language="de")]
    want = Want(title="Faust", authors=("Goethe",))
    assert keys(resolve(want, *books, languages=("de", "en")).chosen) == ["2", "1"]
    assert keys(resolve(want, *books, languages=("en", "de")).chosen) == ["1", "2"]
    assert len(resolve(want, *books, languages=()).chosen) == 2


def test_an_edition_surely_in_a_wanted_language_comes_before_one_of_which_nobody_tells() -> None:
    unknown = replace(book("1", "Emma", "Jane Austen", language=""), year=2020)
    assert keys(resolve(EMMA, unknown, book("2", "Emma; A Novel", "Jane Austen")).chosen)[0] == "2"
    assert keys(resolve(EMMA, unknown).chosen) == ["1"]


def test_a_language_that_only_the_title_tells() -> None:
    found = resolve(EMMA, book("1", "Emma (French Edition)", "Jane Austen", language=""))
    assert (found.decision, found.reason) == (Decision.AMBIGUOUS, "found only in fr")


def test_a_subtitle_tells_the_language_that_is_meant() -> None:
    want = Want(title="Demian. Die Geschichte einer Jugend", authors=("Hermann Hesse",))
    found = resolve(
        want,
        book("1", "Demian", "Hermann Hesse"),
        book("2", "Demian: Die Geschichte einer Jugend", "Hermann Hesse", language="de"),
    )
    assert found.decision is Decision.AMBIGUOUS


def test_an_isbn_asks_by_isbn_and_takes_the_edition_in_any_language() -> None:
    shelf = Shelf("shelf", Candidate("shelf", "1", "Emma", language="fi", isbns=("9780743273565",)))
    found = resolver(shelf).resolve(Want(isbn="9780743273565"), Ticket(1))
    assert keys(found.chosen) == ["1"]
    assert shelf.queries[0].isbn == "9780743273565"
    assert shelf.queries[0].readings == ()


def test_a_pick_is_looked_up_in_its_source_only() -> None:
    mine, other = Shelf("mine", book("7", "Emma")), Shelf("other", fault=TransientError("down"))
    both = resolver(mine, other)
    found = both.resolve(Want(pick=Pick("mine", "7")), Ticket(1))
    assert (found.decision, keys(found.chosen)) == (Decision.ACCEPT, ["7"])
    assert (
        both.resolve(Want(pick=Pick("mine", "8")), Ticket(1)).reason
        == "mine has no book 8 in a wanted format"
    )
    assert "mine, other" in both.resolve(Want(pick=Pick("nowhere", "8")), Ticket(1)).reason
    assert mine.queries == []
    with pytest.raises(HeldError, match="other"):
        both.resolve(Want(pick=Pick("other", "8")), Ticket(1))
    both.close()


def test_a_source_that_refuses_a_pick_makes_it_missing() -> None:
    found = resolver(Shelf("mine", fault=PermanentError("gone"))).resolve(
        Want(pick=Pick("mine", "8")), Ticket(1)
    )
    assert (found.decision, found.reason) == (Decision.MISSING, "mine refuses 8: gone")


def test_without_sources_the_reason_says_so() -> None:
    found = resolver().resolve(EMMA, Ticket(1))
    assert found.decision is Decision.MISSING
    assert "sources" in found.reason


def test_a_source_that_fails_does_not_spoil_what_another_finds() -> None:
    both = resolver(
        Shelf("down", fault=HeldError("down", seconds=7)), Shelf("up", book("1", "Emma", "Jane Austen"))
    )
    assert both.resolve(EMMA, Ticket(1)).decision is Decision.ACCEPT
    both.close()


@pytest.mark.parametrize(("scope", "who"), [("host", "queue"), ("job", "job")])
def test_while_no_source_can_be_asked_every_want_waits_unless_only_this_cannot(
    scope: Scope, who: Scope
) -> None:
    away, fault = HeldError("busy", scope="host", seconds=9), HeldError("down", scope=scope, seconds=7)
    both = resolver(Shelf("down", fault=fault), Shelf("away", fault=away))
    with pytest.raises(HeldError, match="source down cannot be asked") as held:
        both.resolve(EMMA, Ticket(1))
    assert (held.value.scope, held.value.seconds) == (who, 7)
    both.close()


@pytest.mark.parametrize("fault", [TransientError("odd"), PermanentError("no")])
def test_an_answer_that_is_none_may_be_this_want_s_own_fault(fault: Exception) -> None:
    both = resolver(Shelf("odd", fault=fault), Shelf("away", fault=HeldError("busy", scope="host")))
    with pytest.raises(TransientError, match=r"source odd cannot be asked: .*; source away cannot"):
        both.resolve(EMMA, Ticket(1))
    both.close()


def test_a_want_that_takes_too_long_holds_only_itself() -> None:
    class Slow(Shelf):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            ticket.wait(60)
            return ()

    slow = Slow("slow")
    asked = Resolver(
        [slow], accept=0.85, margin=0.05, languages=(), formats=("epub",), deadlines={"slow": 0.05}
    )
    with pytest.raises(HeldError, match="it took too long") as held:
        asked.resolve(EMMA, Ticket(1))
    assert held.value.scope == "job"
    asked.close()


def test_a_silent_source_is_named_and_the_others_decide() -> None:
    both = resolver(Shelf("down", fault=HeldError("busy", scope="host", seconds=7)), Shelf("up"))
    resolution = both.resolve(EMMA, Ticket(1))
    assert resolution.decision is Decision.MISSING
    assert resolution.reason.endswith("; not asked, for it did not answer: down")
    assert resolution.silent
    both.close()


def test_several_sources_are_asked_at_once() -> None:
    barrier = threading.Barrier(2, timeout=10)

    class Meeting(Shelf):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            barrier.wait()
            return self.books

    both = resolver(Meeting("one", book("1", "Emma", "Jane Austen")), Meeting("two"))
    assert both.resolve(EMMA, Ticket(1)).decision is Decision.ACCEPT
    both.close()


@pytest.mark.parametrize("sources", [1, 2])
def test_an_interrupted_ticket_stops_the_search(sources: int) -> None:
    ticket = Ticket(1)
    ticket.interrupt(Reason.CANCEL)

    class Obedient(Shelf):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            ticket.check()
            return self.books

    asked = resolver(*(Obedient(f"shelf{number}") for number in range(sources)))
    with pytest.raises(Interrupted):
        asked.resolve(EMMA, ticket)
    asked.close()


def test_another_work_never_stands_in_for_an_edition() -> None:
    """When the first edition cannot be fetched, only another edition of the same book may come instead."""
    resolution = resolve(
        Want(title="Pride and Prejudice", authors=("Jane Austen",)),
        book("1", "Pride and Prejudice", "Jane Austen"),
        book("2", "Pride and Prejudice: A Novel", "Jane Austen"),
        book("3", "Pride and Prejudice, a play founded on Jane Austen's novel", "Jane Austen"),
    )
    assert resolution.decision is Decision.ACCEPT
    assert set(keys(resolution.chosen)) == {"1", "2"}


def test_two_titles_that_fit_equally_are_a_question() -> None:
    wished = Want(title="Tom Sawyer", authors=("Mark Twain",))
    detective = book("93", "Tom Sawyer, Detective", "Mark Twain")
    abroad = book("91", "Tom Sawyer, Abroad", "Mark Twain")
    assert resolve(wished, detective, abroad).decision is Decision.AMBIGUOUS
    assert keys(resolve(wished, detective, book("1", "Tom Sawyer", "Mark Twain")).chosen) == ["1"]


def test_editions_that_differ_only_in_their_long_titles_are_one_book() -> None:
    want = Want(title="The Origin of Species", authors=("Charles Darwin",))
    found = resolve(
        want,
        book("1", "On the Origin of Species By Means of Natural Selection", "Charles Darwin"),
        book("2", "The Origin of Species by Means of Natural Selection, 6th Edition", "Charles Darwin"),
    )
    assert found.decision is Decision.ACCEPT


def test_the_illustrated_edition_is_taken_where_it_is_asked_for() -> None:
    plain = book("1", "Emma", "Jane Austen")
    pictures = book("2", "Emma: Illustrated by Hugh Thomson", "Jane Austen")
    asked = Want(title="Emma (illustrated)", authors=("Jane Austen",))
    assert keys(resolve(asked, plain, pictures).chosen)[0] == "2"
    assert keys(resolve(EMMA, plain, pictures).chosen)[0] == "1"
    assert keys(resolve(asked, plain).chosen) == ["1"]


def test_between_equals_the_order_of_formats_of_sources_and_then_the_newest_decides() -> None:
    def offer(source: str, key: str, form: str, year: int | None = None) -> Candidate:
        return Candidate(source, key, "Emma", ("Jane Austen",), "en", form, year=year)

    first = Shelf("first", offer("first", "a", "pdf"), offer("first", "b", "epub", 1901))
    second = Shelf("second", offer("second", "c", "epub"), offer("first", "d", "epub", 1998))
    both = resolver(first, second)
    assert keys(both.resolve(EMMA, Ticket(1)).chosen) == ["d", "b", "c", "a"]
    both.close()


class Directory:
    """Somebody who knows ISBNs and what else works are called, or fails as told."""

    name = "directory"

    def __init__(self, *known: Reading, titles: Sequence[str] = (), fault: Exception | None = None) -> None:
        self.known = known
        self.titles = titles
        self.fault = fault
        self.asked: list[Reading] = []

    def identify(self, isbn: str, ticket: Ticket) -> Reading | None:  # noqa: ARG002
        if self.fault:
            raise self.fault
        return next(iter(self.known), None)

    def aliases(self, reading: Reading, ticket: Ticket) -> Sequence[str]:  # noqa: ARG002
        self.asked.append(reading)
        if self.fault:
            raise self.fault
        return self.titles


JANE_EYRE_ISBN = Want(isbn="9780141441146")
JANE_EYRE = Reading("Jane Eyre", ("Charlotte Brontë",))


def identified(want: Want, directory: Directory, *books: Candidate) -> Resolution:
    asked = Resolver(
        [Shelf("shelf", *books)],
        accept=0.85,
        margin=0.05,
        languages=("en",),
        formats=("epub",),
        identifiers=[directory],
    )
    try:
        return asked.resolve(want, Ticket(1))
    finally:
        asked.close()


def test_an_isbn_finds_the_book_by_the_title_and_author_it_stands_for() -> None:
    found = identified(
        JANE_EYRE_ISBN,
        Directory(JANE_EYRE),
        book("1", "Jane Eyre: An Autobiography", "Charlotte Brontë"),
        book("2", "Emma", "Jane Austen"),
    )
    assert (found.decision, keys(found.chosen)) == (Decision.ACCEPT, ["1"])


def test_an_isbn_mends_a_title_that_finds_nothing() -> None:
    want = Want(title="Das Waisenmädchen", authors=("C. Brontë",), isbn="9780141441146")
    found = identified(want, Directory(JANE_EYRE), book("1", "Jane Eyre", "Charlotte Brontë"))
    assert keys(found.chosen) == ["1"]


@pytest.mark.parametrize(
    "want",
    [
        Want(title="The Difference Engine", authors=("William Gibson",), isbn="9780141441146"),
        Want(title="The Difference Engine", isbn="9780141441146"),
        Want(authors=("William Gibson",), isbn="9780141441146"),
        Want(
            title="The Difference Engine",
            readings=(Reading("Gibson", ("The Difference Engine",)),),
            isbn="9780141441146",
        ),
    ],
)
def test_an_isbn_that_title_and_author_contradict_is_for_a_person(want: Want) -> None:
    found = identified(want, Directory(JANE_EYRE), book("1", "Jane Eyre", "Charlotte Brontë"))
    assert (found.decision, found.chosen) == (Decision.AMBIGUOUS, ())
    assert found.reason.endswith("; the ISBN is that of Jane Eyre — Charlotte Brontë")


def test_an_isbn_that_nobody_knows_says_what_to_do() -> None:
    found = identified(JANE_EYRE_ISBN, Directory(), book("1", "Emma", "Jane Austen"))
    assert (found.decision, found.reason) == (
        Decision.MISSING,
        "no source knows this ISBN: add the title",
    )
    assert not found.silent


def test_an_isbn_whose_book_is_not_there_says_which_book_it_is() -> None:
    found = identified(JANE_EYRE_ISBN, Directory(JANE_EYRE), book("1", "Emma", "Jane Austen"))
    assert found.decision is Decision.MISSING
    assert found.reason.endswith("; the ISBN is that of Jane Eyre — Charlotte Brontë")


def test_a_silent_directory_is_named_and_asked_again_later() -> None:
    found = identified(JANE_EYRE_ISBN, Directory(fault=TransientError("odd")))
    assert found.reason.endswith("; not asked, for it did not answer: directory")
    assert found.silent


DEMONS = Want(title="Demons", authors=("Fyodor Dostoevsky",))
POSSESSED = book("8117", "The Possessed; Or, The Devils", "Fyodor Dostoyevsky")
DEVILS = Directory(titles=("Бесы", "The Possessed", "Les Possédés"))


def test_a_work_is_found_under_another_title() -> None:
    found = identified(DEMONS, DEVILS, book("1", "Swamp Demons", "C. A. Butz"), POSSESSED)
    assert (found.decision, keys(found.near)[:1]) == (Decision.AMBIGUOUS, ["8117"])
    assert found.reason == "perhaps the same work as Demons"


def test_a_work_that_is_there_in_another_language_may_have_another_title_in_the_wanted_one() -> None:
    foreign = book("2", "Demons", "Fyodor Dostoyevsky", language="fr")
    found = identified(DEMONS, DEVILS, foreign, POSSESSED)
    assert (found.decision, keys(found.near)[:1]) == (Decision.AMBIGUOUS, ["8117"])


def test_another_title_is_looked_for_also_where_the_want_names_an_isbn() -> None:
    row = replace(DEMONS, isbn="9780679734512")
    assert identified(row, DEVILS, POSSESSED).decision is Decision.AMBIGUOUS


def test_what_a_work_is_also_called_is_never_taken_unattended() -> None:
    poems = book("5", "Poems", "Sylvia Plath")
    found = identified(Want("Ariel", ("Sylvia Plath",)), Directory(titles=("Poems",)), poems)
    assert (found.decision, found.chosen) == (Decision.AMBIGUOUS, ())


@pytest.mark.parametrize("asked", ["Demons (abridged)", "Demons, Volume 2", "Demons: A Study Guide"])
def test_another_title_would_lose_what_the_wanted_one_says_beside(asked: str) -> None:
    found = identified(Want(title=asked, authors=DEMONS.authors), DEVILS, POSSESSED)
    assert found.decision is Decision.MISSING


def test_another_authors_book_of_the_other_title_is_not_taken() -> None:
    found = identified(DEMONS, DEVILS, book("3", "The Possessed", "Ann Other"))
    assert (found.decision, found.chosen) == (Decision.MISSING, ())


def test_what_is_found_by_its_own_title_asks_for_no_other() -> None:
    directory = Directory(titles=("The Possessed",))
    identified(EMMA, directory, book("2", "Emma", "Jane Austen"))
    assert not directory.asked


def test_who_cannot_tell_other_titles_is_worth_another_look() -> None:
    found = identified(DEMONS, Directory(fault=TransientError("odd")), POSSESSED)
    assert (found.decision, bool(found.silent)) == (Decision.MISSING, True)


def test_a_source_that_hangs_at_a_pick_is_given_up_at_its_deadline() -> None:
    class Hanging(Shelf):
        def lookup(self, _key: str, _formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
            ticket.wait(600)
            return ()

    hanging = Resolver(
        [Hanging("mine")], accept=0.85, margin=0.05, languages=(), formats=("epub",), deadlines={"mine": 0.1}
    )
    with pytest.raises(HeldError, match="took too long"):
        hanging.resolve(Want(pick=Pick("mine", "7")), Ticket(1))
    hanging.close()


def test_a_source_that_others_of_ours_keep_busy_is_no_silent_one() -> None:
    busy = Shelf(
        "busy", fault=BusyError("books.example is busy with others of ours", scope="host", seconds=9)
    )
    for sources in ([busy], [busy, Shelf("shelf")]):
        with pytest.raises(HeldError, match="busy with others of ours") as held:
            resolver(*sources).resolve(EMMA, Ticket(1))
        assert (held.value.scope, held.value.seconds) == ("job", 9)
    found = resolver(busy, Shelf("shelf", book("2", "Emma", "Jane Austen"))).resolve(EMMA, Ticket(1))
    assert found.decision is Decision.ACCEPT
