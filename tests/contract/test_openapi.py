"""The HTTP API against its description: the same routes, a valid document, no answer outside of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.routing import Route
from websockets.sync.client import connect

from bookhopper.api.auth import gate_for
from bookhopper.api.openapi import openapi_json
from bookhopper.api.server import all_routes
from bookhopper.settings import ServerSettings
from tests.site import SOURCE, TOKEN, Site, in_every_state, running_site
from tests.waiting import DEADLINE

DOCUMENT: dict[str, Any] = json.loads(openapi_json())
EXAMPLES = 50
BOOK = f"{SOURCE}:Jane Austen - Pride and Prejudice.epub"

SCHEMA = schemathesis.openapi.from_dict(
    DOCUMENT,
    config=SchemathesisConfig(
        seed=3,
        projects=ProjectsConfig(
            default=ProjectConfig(
                generation=GenerationConfig(deterministic=True, max_examples=EXAMPLES, database="none")
            )
        ),
    ),
)

JUDGED_FURTHER = frozenset(("addList", "watch"))
"""Calls that refuse more than a schema can say: a list without a want, a request that is no handshake."""


@pytest.fixture(scope="module")
def busy_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        in_every_state(site)
        yield site


@SCHEMA.parametrize()
def test_no_answer_lies_outside_the_description(case: schemathesis.Case[Any], busy_site: Site) -> None:
    further = case.operation.definition.raw["operationId"] in JUDGED_FURTHER
    case.call_and_validate(
        base_url=busy_site.url, excluded_checks=[positive_data_acceptance] if further else None
    )


# what exists


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


@pytest.mark.parametrize(
    ("operation", "body", "statuses"),
    [
        ("getDownload", None, {200}),
        ("cancelDownload", None, {200, 409}),
        ("pauseDownload", None, {200, 409}),
        ("resumeDownload", None, {200, 409}),
        ("retryDownload", None, {200, 409}),
        ("setPriority", {"priority": -7}, {200, 409}),
        ("moveDownload", {"before": None}, {200, 409}),
        ("pickBook", {"source": SOURCE, "key": "x"}, {200, 409}),
        ("cancelBook", None, {200, 404}),
        ("setBookPriority", {"priority": -7}, {200, 404}),
    ],
)
def test_what_exists_is_answered_as_described(
    site: Site, operation: str, body: Any, statuses: set[int]
) -> None:
    jobs = in_every_state(site)
    assert site.send("/api/downloads/batch", {"book_ids": [f"{BOOK}~epub"]}).status == 200
    found = _operation(operation)
    got = set()
    for name in [*map(str, jobs.values()), f"{BOOK}~epub"]:
        case = found.Case(
            path_parameters={"id": name},
            **({} if body is None else {"body": body, "media_type": "application/json"}),
        )
        got.add(case.call_and_validate(base_url=site.url).status_code)
    assert got == statuses


@pytest.mark.parametrize(
    ("operation", "query"),
    [
        ("listDownloads", {"status": ["paused", "failed", "pending"]}),
        ("getHistory", {"limit": 2, "offset": 1}),
        ("searchBooks", {"query": "pride and prejudice", "title": ["Pride and Prejudice"]}),
        ("getBook", {"id": f"{BOOK}~epub"}),
        ("getFile", {"id": "1"}),
        ("queueBook", {"id": BOOK, "priority": -1}),
        ("getStatus", {}),
        ("getOrder", {}),
        ("getActive", {}),
        ("getStatistics", {}),
        ("getQueueStatus", {}),
        ("getDescription", {}),
    ],
)
def test_what_is_there_is_shown_as_described(site: Site, operation: str, query: dict[str, Any]) -> None:
    in_every_state(site)
    case = _operation(operation).Case(query=query)
    answer = case.call_and_validate(base_url=site.url)
    assert answer.status_code == 200
    assert answer.content not in {b"[]", b"{}"}


def test_what_is_told_over_the_websocket_is_described(site: Site) -> None:
    jobs = in_every_state(site)
    with connect(f"{site.url.replace('http', 'ws')}/api/events", compression=None) as events:
        snapshot = json.loads(events.recv(DEADLINE))
        _validator("Snapshot").validate(snapshot)
        assert all(snapshot[name] for name in ("running", "queue", "aside", "history"))
        site.ask("/api/downloads/pause", "POST")
        assert site.ask(f"/api/downloads/{jobs['wanted']}/cancel", "POST").status == 200
        site.live.renew()
        change = json.loads(events.recv(DEADLINE))
    assert change["type"] == "change"
    _validator("Change").validate(change)


# the document


def test_the_document_is_valid() -> None:
    SCHEMA.validate()
    operations = [
        operation for path in DOCUMENT["paths"].values() for operation in _operations(path).values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["tags"] for operation in operations)


def test_routes_and_description_are_the_same(site: Site) -> None:
    gate = gate_for(ServerSettings(), site.folder, TOKEN)
    served = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in all_routes(site.view, gate, site.live)
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in _operations(item)}
    assert served == described


def test_it_is_served_as_json(site: Site) -> None:
    answer = site.ask("/api/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == DOCUMENT


def _validator(schema: str) -> jsonschema_rs.Validator:
    document = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(document)


def _operation(name: str) -> schemathesis.APIOperation[Any, Any, Any, Any]:
    for path, item in DOCUMENT["paths"].items():
        for method, one in _operations(item).items():
            if one["operationId"] == name:
                return SCHEMA[path][method.upper()]
    raise KeyError(name)


def _operations(path: dict[str, Any]) -> dict[str, Any]:
    return {method: operation for method, operation in path.items() if method != "parameters"}
