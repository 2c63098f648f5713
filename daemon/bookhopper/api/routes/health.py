"""What monitors ask: is it alive, is it ready, and the metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bookhopper.api.view import View


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def healthz(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        parts = view.health()
        well = all(parts.values())
        return JSONResponse({"ok": well, "parts": dict(parts)}, 200 if well else 503)

    def readyz(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        # the server answers only once every part has started, so what is left to ask is whether they live
        well = all(view.health().values())
        return JSONResponse({"ready": well}, 200 if well else 503)

    def metrics(request: Request) -> Response:  # noqa: ARG001 - Starlette's form
        return Response(view.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
