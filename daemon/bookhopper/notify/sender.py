"""The way out: the one place that knows apprise, which is loaded when the first message needs it.

An address is a secret, and apprise's own log and exceptions name it: nothing of theirs is passed on but a
status code.  Facts: the package's own documentation, and its code as of 2.2.
"""

from __future__ import annotations

import http
import logging
import re
import sys
import threading
from importlib import import_module
from queue import Empty, SimpleQueue
from types import ModuleType

from bookhopper.errors import PermanentError, TransientError
from bookhopper.notify.messages import Message

LIMIT_SECONDS = 60.0
"""How long one message may take in all; apprise gives up a silent connection after 4 s by itself.

A server that answers byte by byte, or a message in many parts, takes longer than any of its timeouts.
"""

NOT_INSTALLED = f"apprise, which sends messages, is not installed: {sys.executable} -m pip install apprise"

THREADS = "notify-"
"""What the names of all threads begin with that send."""

_STATUS = re.compile(r"\berror=([1-5][0-9]{2})\b")
_loading = threading.Lock()


class _Faults(logging.Handler):
    """Picks out of apprise's log, thread by thread, what may be told of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if status := _STATUS.search(said):
            self._of.fault = f"the server answered {status[1]}{_phrase(int(status[1]))}"
        elif said.startswith("A Connection error"):
            self._of.fault = "the server cannot be reached, or did not answer in time"

    def begin(self) -> None:
        """Forget what this thread met before."""
        self._of.fault = "it was not taken"

    @property
    def fault(self) -> str:
        """What this thread met last."""
        return str(self._of.fault)


_faults = _Faults()


def _phrase(status: int) -> str:
    try:
        return f" ({http.HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _apprise() -> ModuleType:
    """Import apprise, its log kept to ourselves; raises BookhopperError where it is not installed."""
    with _loading:
        log = logging.getLogger("apprise")
        log.propagate = False
        log.setLevel(logging.WARNING)  # below that it writes addresses out
        log.addHandler(_faults)
        try:
            return import_module("apprise")  # 0.2 s and 17 MiB with its plugins, for who wants messages
        except ImportError:
            raise PermanentError(NOT_INSTALLED) from None


def _ours(record: logging.LogRecord) -> bool:
    """Whether a log line is ours, or of a thread that sends nothing: what apprise calls may tell secrets."""
    return record.name.startswith("bookhopper") or not (record.threadName or "").startswith(THREADS)


class Sender:
    """Sends messages to one address; one thread's."""

    def __init__(self, url: str, limit: float = LIMIT_SECONDS) -> None:
        """Understand the address; raises PermanentError, which does not name it.  `limit` is in seconds."""
        apprise = _apprise()
        self._limit = limit
        self._hanging: threading.Thread | None = None
        self._truncate = apprise.OverflowMode.TRUNCATE
        self._upstream = apprise.OverflowMode.UPSTREAM
        asset = apprise.AppriseAsset(app_id="bookhopper", app_desc="bookhopper", storage_mode="memory")
        try:
            self._service = apprise.Apprise.instantiate(url, asset=asset)
        except Exception as error:  # noqa: BLE001 - any of 180 plugins may, and would name the address
            raise PermanentError(
                f"apprise cannot use the address: a {type(error).__name__} of its own"
            ) from None
        if self._service is None:
            raise PermanentError(_misunderstood(url))

    @property
    def service(self) -> str:
        """What the service is called that the address leads to."""
        return str(self._service.service_name)

    def send(self, message: Message) -> None:
        """Send a message; raises TransientError in words that name no address."""
        if self._hanging is not None and self._hanging.is_alive():
            raise TransientError("the last message still hangs there")
        faults: SimpleQueue[str] = SimpleQueue()
        # a thread that hangs cannot be ended: it is left behind, and must not keep the daemon from its end
        self._hanging = threading.Thread(
            target=lambda: faults.put(self._attempt(message)), name=f"{THREADS}send", daemon=True
        )
        self._hanging.start()
        try:
            fault = faults.get(timeout=self._limit)
        except Empty:
            fault = f"no answer within {self._limit:.0f} s"
        if fault:
            raise TransientError(fault)

    def _attempt(self, message: Message) -> str:
        """Send it, and tell in safe words what went wrong; nothing where it went well."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(_ours)
        _faults.begin()
        service = self._service
        chosen = None if service.overflow_mode is not self._upstream else self._truncate
        try:
            sent = service.notify(
                body=message.body,
                title=message.title,
                notify_type="warning" if message.urgent else "info",
                body_format="text",
                overflow=chosen,
            )
        except Exception as error:  # noqa: BLE001 - as above
            return f"a {type(error).__name__} of apprise's own"
        return "" if sent else _faults.fault


def _misunderstood(url: str) -> str:
    """Say why apprise does not take an address, by its scheme alone."""
    scheme = url.partition("://")[0].lower()
    manager = import_module("apprise.manager_plugins").NotificationManager()
    if scheme in manager:
        return (
            f"apprise cannot use this {scheme}:// address: something in it is missing or wrong, or it needs "
            "a package that is not installed; look its form up in apprise's list of services"
        )
    return f"apprise knows no service at `{scheme}://`: look up how its address is written in apprise's list"
