"""The description of this API, for programs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bookhopper.api.openapi import openapi_json


def routes() -> list[Route]:
    """Make the routes."""

    def description(request: Request) -> Response:  # noqa: ARG001 - Starlette's form
        return Response(openapi_json(), media_type="application/json")

    return [Route("/api/openapi.json", description)]
