"""What variables of the ancestors' unit and compose files set where the configuration file says nothing.

A variable that is empty counts as not set, and one whose key the file sets is not looked at.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from bookhopper.errors import ConfigError
from bookhopper.settings import ServerSettings, split_listen

_TRUE = frozenset(("true", "yes", "1", "y", "on"))
_FALSE = frozenset(("false", "no", "0", "n", "off"))

Value = TypeVar("Value")


@dataclass(slots=True)
class _Environment:
    variables: Mapping[str, str]
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def get(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """Read a variable; None where it is not set, or is no good, which is noted."""
        text = self.variables.get(name, "").strip()
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.faults.append(f"{name}={text!r} in the environment: {error}")
            return None


def overlay(data: Mapping[Any, Any], variables: Mapping[str, str]) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Add to a file's data what the environment sets; returns them and what whoever starts it should know.

    Raises ConfigError with every variable that is no good.
    """
    environment = _Environment(variables)
    sections = {"server": _server, "queue": _queue}
    overlaid = dict(data)
    for name, read in sections.items():
        section = data.get(name, {})
        if isinstance(section, dict) and (added := read(section, environment)):
            overlaid[name] = {**section, **added}
    if environment.faults:
        raise ConfigError(environment.faults)
    return overlaid, tuple(environment.warnings)


def _server(section: Mapping[Any, Any], environment: _Environment) -> dict[str, Any]:
    added: dict[str, Any] = {}
    if "sign_in" not in section and (app_db := environment.get("CWA_DB_PATH", Path)):
        added["sign_in"] = "calibre-web"
        if "app_db" not in section:
            added["app_db"] = app_db.absolute()
    if (
        "status_timeout" not in section
        and (timeout := environment.get("STATUS_TIMEOUT", _seconds)) is not None
    ):
        added["status_timeout"] = timeout
    if "listen" not in section:
        added |= _listen({**section, **added}, environment)
    return added


def _listen(server: Mapping[Any, Any], environment: _Environment) -> dict[str, Any]:
    host = environment.get("FLASK_HOST", _address)
    port = environment.get("FLASK_PORT", _port)
    if host is None and port is None:
        return {}
    usual_host, usual_port = split_listen(ServerSettings.model_fields["listen"].default)
    host = usual_host if host is None else host
    port = usual_port if port is None else port
    added: dict[str, Any] = {"listen": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    if not ip_address(host).is_loopback and server.get("sign_in", "none") == "none":
        told = f"FLASK_HOST={environment.variables['FLASK_HOST']}"
        if server.get("open") is False:
            environment.faults.append(
                f"{told} asks for the network, and the file says `open: false` and no sign-in: "
                "set server.sign_in, or leave out one of the two"
            )
            return {}
        environment.warnings.append(
            f"{told} opens the server to the network without a sign-in: set server.sign_in"
        )
        added["open"] = True
    return added


def _queue(section: Mapping[Any, Any], environment: _Environment) -> dict[str, Any]:
    if "order" not in section and environment.get("DOWNLOAD__ENABLE_PRIORITY_QUEUE", _boolean) is False:
        return {"order": "arrival"}
    return {}


def _address(text: str) -> str:
    """Give the address that is meant: as it is written, or of the host of that name."""
    try:
        return str(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ValueError("write an address such as 0.0.0.0, or the name of this machine") from None
    # IPv4 first, as everywhere else: `localhost` is 127.0.0.1 here
    return str(min(found, key=lambda entry: entry[0] is not socket.AF_INET)[4][0])


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("write a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
        raise ValueError("write a number of seconds")
    return float(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("write true or false")
    return text.lower() in _TRUE
