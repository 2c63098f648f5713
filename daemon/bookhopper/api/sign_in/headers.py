"""What a request brings to sign in with: a token or a password in `Authorization`, or a cookie."""

from __future__ import annotations

import base64
import binascii

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from bookhopper.api.sign_in.errors import WrongCredentialsError
from bookhopper.api.sign_in.sessions import COOKIE


def authorization(headers: Headers) -> tuple[str, str]:
    """Split the header into its scheme, in lower case, and the rest; both are empty where there is none."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), rest.strip()


def has_bearer(headers: Headers) -> bool:
    """Tell whether a request brings a token, right or wrong."""
    return authorization(headers)[0] == "bearer"


def name_and_password(text: str) -> tuple[str, str]:
    """Read what follows `Basic` (RFC 7617); raises WrongCredentialsError."""
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WrongCredentialsError("Authorization: this is no name and password") from None
    try:
        name, colon, password = plain.decode().partition(":")
    except UnicodeDecodeError:  # older clients send Latin-1
        name, colon, password = plain.decode("latin-1").partition(":")
    if not colon:
        raise WrongCredentialsError("Authorization: this is no name and password")
    return name, password


def session_cookie(headers: Headers) -> str:
    """Find the id of the session; empty where there is none."""
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(COOKIE, "")
