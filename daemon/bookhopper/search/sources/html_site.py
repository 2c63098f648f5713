"""A site that a definition describes: how it is asked, and how one signs in there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin, urlsplit

from bookhopper.errors import HeldError, PermanentError
from bookhopper.net.addresses import origin, safe_url
from bookhopper.net.faults import AnswerError
from bookhopper.net.session import Fetched
from bookhopper.net.web import Web
from bookhopper.search.definitions.block import Selector
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.model import Definition, Login
from bookhopper.search.definitions.pages import MAX_BYTES, Element, Markup, PageError, parse
from bookhopper.search.definitions.rows import fault_on
from bookhopper.search.definitions.templates import Template, Values
from bookhopper.search.sources.html_questions import Question
from bookhopper.ticket import Ticket

REFUSED_SECONDS = 15 * 60.0
_PAGE_SECONDS = 60.0
_REFUSALS = frozenset({401, 403})
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_RAW = "$raw"
_HIDDEN = "input[type=hidden][name], input:not([type])[name][value]"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that was read, and where it came from."""

    element: Element
    url: str


class Site:
    """Asks a site, signed in where its definition says how; safe from several threads."""

    def __init__(self, definition: Definition, web: Web, values: Values) -> None:
        self._definition = definition
        self._web = web
        self._values = {**values, "Config.sitelink": definition.site}
        self._origins = frozenset(map(origin, definition.links))
        self._lock = threading.Lock()
        self._sign_ins = 0

    @property
    def values(self) -> Values:
        """What every template may name: the settings."""
        return self._values

    def page(self, question: Question, kind: str, values: Values, ticket: Ticket) -> Page:
        """Ask for a page and read it, signing in first, and once more when that has expired.

        Raises what `Web.get` does, HeldError when the sign-in is refused, and TransientError (PageError,
        BudgetError) for an answer that cannot be read.
        """
        login = self._definition.login
        if login is None:
            return self._read(self._ask(question, values, ticket), kind)
        signed_in = self._signed_in(login, ticket)
        page = self._as_member(login, question, kind, values, ticket)
        if page is None:
            self._sign_in_again(login, signed_in, ticket)
            page = self._as_member(login, question, kind, values, ticket, fresh=True)
        if page is None:
            raise self._refused("it shows its pages to nobody, signed in or not")
        return page

    def reach(self, ticket: Ticket) -> None:
        """See whether the site answers, and lets us in; raises what `page` does."""
        self._web.get(self._definition.site, ticket, max_bytes=MAX_BYTES, seconds=_PAGE_SECONDS, fresh=True)
        if self._definition.login is not None:
            self._signed_in(self._definition.login, ticket)

    def ask(self, question: Question, values: Values, ticket: Ticket) -> Fetched:
        """Ask, and give the answer as it came."""
        return self._ask(question, values, ticket)

    def forget(self, question: Question, values: Values) -> None:
        """Keep no answer to a question: it was none of what was asked for."""
        url, encoded, headers = self._request(question, values)
        self._web.forget(_with_query(url, encoded), headers)

    # asking

    def _ask(self, question: Question, values: Values, ticket: Ticket, *, fresh: bool = False) -> Fetched:
        url, encoded, headers = self._request(question, values)
        if question.method == "post":
            return self._web.post(
                url,
                ticket,
                data=encoded.encode("ascii", "replace"),
                max_bytes=MAX_BYTES,
                seconds=_PAGE_SECONDS,
                headers={**_FORM, **headers},
            )
        url = _with_query(url, encoded)
        return self._web.get(
            url, ticket, max_bytes=MAX_BYTES, seconds=_PAGE_SECONDS, headers=headers, fresh=fresh
        )

    def _request(self, question: Question, values: Values) -> tuple[str, str, Mapping[str, str]]:
        """Fill in a question: its address, its inputs as a form writes them, and its headers."""
        budget = Budget()
        url = self.address(question.path, values, budget)
        form, raw = self._form(question.inputs or {}, values, budget)
        encoded = "&".join(filter(None, (form, raw)))
        headers = {}
        if origin(url) in self._origins:
            headers = {name: text.render(values, budget) for name, text in (question.headers or {}).items()}
        elif encoded:
            raise PermanentError(
                f"{safe_url(url)} is asked for more than a page, and `links` does not name it"
            )
        return url, encoded, headers

    def address(self, path: Template, values: Values, budget: Budget) -> str:
        """Fill in a path, its values encoded as addresses need it, and put it below the site."""
        encoding = self._definition.encoding or "utf-8"
        quoted = {
            name: quote(value, safe="", encoding=encoding, errors="replace")
            if isinstance(value, str)
            else value
            for name, value in values.items()
            if not name.startswith(("Config.sitelink", "Result.", "DownloadUri."))
        }
        text = path.render({**values, **quoted}, budget).strip()
        try:
            return urljoin(self._definition.site, text)
        except ValueError as error:
            raise PermanentError(f"{safe_url(self._definition.site)}: `{text[:100]}` is no path") from error

    def _form(self, inputs: Mapping[str, Template], values: Values, budget: Budget) -> tuple[str, str]:
        """Write the inputs as a form does, without the empty ones; `$raw` goes as it stands."""
        filled = {name: text.render(values, budget) for name, text in inputs.items()}
        raw = filled.pop(_RAW, "")
        pairs = [(name, value) for name, value in filled.items() if value]
        return urlencode(pairs, encoding=self._definition.encoding or "utf-8", errors="replace"), raw

    def _read(self, fetched: Fetched, kind: str) -> Page:
        try:
            element = parse(fetched.content, kind, self._definition.encoding or _charset(fetched))
        except PageError as error:
            raise PageError(f"{safe_url(fetched.url)}: {error}") from error
        return Page(element, fetched.url)

    # signing in

    def _as_member(
        self,
        login: Login,
        question: Question,
        kind: str,
        values: Values,
        ticket: Ticket,
        *,
        fresh: bool = False,
    ) -> Page | None:
        """Ask as somebody who is signed in; None when the site shows that we are not."""
        try:
            fetched = self._ask(question, values, ticket, fresh=fresh)
        except AnswerError as error:
            if error.status in _REFUSALS:
                return None
            raise
        page = None if self._is_sign_in_page(login, fetched) else self._read(fetched, kind)
        if page is None or (kind == "html" and not self._is_for_members(login, page)):
            # the session's name may stay the same: what was shown to a stranger is no answer for a member
            self.forget(question, values)
            return None
        return page

    def _is_for_members(self, login: Login, page: Page) -> bool:
        if login.test is None or login.test.selector is None:
            return True
        return _first(page, login.test.selector, self._values) is not None

    def _is_sign_in_page(self, login: Login, fetched: Fetched) -> bool:
        if login.path is None or self._definition.followredirect:
            return False
        return urlsplit(fetched.url).path == urlsplit(self.address(login.path, self._values, Budget())).path

    def _signed_in(self, login: Login, ticket: Ticket) -> int:
        """Sign in unless that has been done; gives which sign-in it is."""
        with self._lock:
            if not self._sign_ins:
                self._sign_in(login, ticket)
                self._sign_ins = 1
            return self._sign_ins

    def _sign_in_again(self, login: Login, expired: int, ticket: Ticket) -> None:
        """Sign in anew, unless another thread has done so since."""
        with self._lock:
            if self._sign_ins == expired:
                self._sign_in(login, ticket)
                self._sign_ins += 1

    def _sign_in(self, login: Login, ticket: Ticket) -> None:
        self._set_cookies(login)
        with self._refusals_named():
            if login.method == "form" and login.path is not None:
                answer = self._fill_in(login, ticket)
            elif login.path is not None and login.method != "cookie":
                question = Question(login.path, login.method, login.inputs, login.headers)
                answer = self._ask(question, self._values, ticket, fresh=True)
            else:
                answer = None
            if answer is not None:
                self._refuse_faults(login, answer)
            self._test(login, ticket)

    def _set_cookies(self, login: Login) -> None:
        """Put the cookies that the person or the definition gives where only this site sees them."""
        texts = [cookie.render(self._values, Budget()) for cookie in login.cookies]
        if login.method == "cookie":
            texts += login.inputs["cookie"].render(self._values, Budget()).split(";")
        site = self._definition.site
        for text in texts:
            name, is_pair, value = text.strip().partition("=")
            if is_pair:
                self._web.session.kept_cookies.set(site, name, value)

    def _fill_in(self, login: Login, ticket: Ticket) -> Fetched:
        """Send the form on the sign-in page: its hidden inputs, and ours."""
        assert login.path is not None
        question = Question(login.path, headers=login.headers)
        page = self._read(self._ask(question, self._values, ticket, fresh=True), "html")
        form = _first(page, login.form, self._values)
        if not isinstance(form, Markup):
            raise self._refused(
                "the sign-in page has no such form: the site has changed, look for a new definition"
            )
        hidden = {each.attribute("name") or "": each.attribute("value") or "" for each in form.all(_HIDDEN)}
        inputs = {name: text.render(self._values, Budget()) for name, text in login.inputs.items()}
        target = self._target(page.url, form.attribute("action") or "")
        headers = {name: text.render(self._values, Budget()) for name, text in login.headers.items()}
        encoding = self._definition.encoding or "utf-8"
        encoded = urlencode({**hidden, **inputs}, encoding=encoding, errors="replace")
        if (form.attribute("method") or "post").lower() == "get":
            return self._web.get(
                f"{target}?{encoded}", ticket, max_bytes=MAX_BYTES, headers=headers, fresh=True
            )
        data = encoded.encode("ascii", "replace")
        return self._web.post(target, ticket, data=data, max_bytes=MAX_BYTES, headers={**_FORM, **headers})

    def _target(self, page: str, action: str) -> str:
        """Give where a form goes: to the origin of its page, which is one of the site's."""
        try:
            target = urljoin(page, action or page)
            is_ours = origin(target) == origin(page) and origin(page) in self._origins
        except (ValueError, PermanentError) as error:
            raise self._refused("its form leads to a malformed address") from error
        if not is_ours:
            where = safe_url(target)
            raise self._refused(f"its form would send the password elsewhere, to {where}: see `links`")
        return target

    def _refuse_faults(self, login: Login, answer: Fetched) -> None:
        if not login.error:
            return
        page = self._read(answer, "html").element
        if message := fault_on(page, login.error, self._values, Budget()):
            raise self._refused(message)

    def _test(self, login: Login, ticket: Ticket) -> None:
        if login.test is None:
            return
        answer = self._ask(Question(login.test.path, headers=login.headers), self._values, ticket, fresh=True)
        if self._is_sign_in_page(login, answer):
            raise self._refused("it leads back to the sign-in page")
        if login.test.selector is not None and not self._is_for_members(login, self._read(answer, "html")):
            raise self._refused("its page for members looks as for strangers")

    @contextmanager
    def _refusals_named(self) -> Iterator[None]:
        try:
            yield
        except AnswerError as error:
            raise self._refused(str(error)) from error

    def _refused(self, reason: str) -> HeldError:
        shown = safe_url(self._definition.site)
        remedy = "check the settings of this source"
        return HeldError(
            f"{shown}: sign-in refused: {' '.join(reason.split())}: {remedy}",
            scope="host",
            seconds=REFUSED_SECONDS,
        )


def _first(page: Page, selector: Selector, values: Values) -> Element | None:
    return page.element.first(selector.render(values, Budget(), page.element.quoted))


def _with_query(url: str, encoded: str) -> str:
    return url + ("&" if urlsplit(url).query else "?") + encoded if encoded else url


def _charset(fetched: Fetched) -> str:
    """Give the encoding that the answer's head names."""
    kind = fetched.headers.get("Content-Type", "")
    _, _, charset = kind.lower().partition("charset=")
    return charset.partition(";")[0].strip(" \"'")
