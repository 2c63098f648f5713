"""The page's way to sign in: who am I, sign in for a while, sign out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import caller
from bookhopper.api.sign_in.gate import Gate
from bookhopper.api.sign_in.headers import session_cookie
from bookhopper.api.sign_in.sessions import COOKIE


def routes(gate: Gate) -> list[Route]:
    """Make the routes; they stay on the event loop, whose thread alone uses the sessions."""

    async def show(request: Request) -> JSONResponse:
        who = caller(request)
        return JSONResponse({"name": who.name, "admin": who.admin, "sign_in": gate.mode})

    async def sign_in(request: Request) -> JSONResponse:
        """Answer whoever brought a token or password with a cookie that does instead from now on."""
        answer = await show(request)
        if gate.mode == "none":
            return answer
        identity = request.scope["identity"]
        if identity is None or "authorization" not in request.headers:
            words = "Authorization: a token or a name and password is expected"
            return JSONResponse({"error": words}, 401, {"WWW-Authenticate": gate.challenge})
        gate.sessions.end(session_cookie(request.headers))
        answer.set_cookie(
            COOKIE,
            gate.sessions.start(identity),
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )
        return answer

    async def sign_out(request: Request) -> JSONResponse:
        gate.sessions.end(session_cookie(request.headers))
        answer = JSONResponse({"name": "", "admin": gate.mode == "none", "sign_in": gate.mode})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/api/session", show),
        Route("/api/session", sign_in, methods=["POST"]),
        Route("/api/session", sign_out, methods=["DELETE"]),
    ]
