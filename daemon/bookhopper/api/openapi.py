"""The description of the API, `openapi.yaml`, as JSON."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources


@cache
def openapi_json() -> bytes:
    """Give the OpenAPI document; read when somebody first asks."""
    import yaml  # noqa: PLC0415 - most daemons are never asked, and idle memory counts

    text = resources.files("bookhopper.api").joinpath("openapi.yaml").read_bytes()
    document = yaml.load(text, yaml.CSafeLoader)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
