# SPDX-License-Identifier: Apache-2.0
"""What the webhook server answers to: `/convert`, one `/validate-...` for each kind, and `/healthz`.

Rule: an endpoint reads JSON, asks, and writes JSON. What the API server sends wrongly is a 4xx with a text that says
what was wanted; what fails here is a 500 and a log entry, which the API server passes on as a refusal.
"""

import time
from collections.abc import Callable
from typing import Any

import anyio.from_thread
import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from pycapo.api.rules.kinds import KINDS, Rules
from pycapo.webhooks import convert, review

log = structlog.get_logger(__name__)

CONVERT_PATH = "/convert"
HEALTH_PATH = "/healthz"
# An AdmissionReview holds an object twice and etcd takes 1.5 MiB; a ConversionReview holds a page of a list.
REVIEW_LIMIT = 8 * 1024 * 1024
CONVERSION_LIMIT = 64 * 1024 * 1024

Answer = Callable[[Any], dict[str, Any]]
Observe = Callable[[str, int, float], None]


class _TooLarge(Exception):
    """The body is larger than the endpoint takes."""


def observe_nothing(path: str, status: int, seconds: float) -> None:
    """Take no notice of a request."""


def application(convert_object: convert.Convert, observe: Observe = observe_nothing) -> Starlette:
    """Return the ASGI application; `observe` is told path, status and seconds of every request that was answered."""

    def reviewed(rules: Rules) -> Answer:
        return lambda body: review.answer(body, rules)

    def converted(body: Any) -> dict[str, Any]:
        return convert.answer(body, convert_object)

    routes = [_route(kind.path, reviewed(kind.rules), limit=REVIEW_LIMIT, observe=observe) for kind in KINDS]
    routes.append(_route(CONVERT_PATH, converted, limit=CONVERSION_LIMIT, observe=observe))
    routes.append(Route(HEALTH_PATH, _health, methods=["GET"]))
    return Starlette(routes=routes)


def _health(request: Request) -> Response:
    return PlainTextResponse("ok")


def _route(path: str, answer: Answer, *, limit: int, observe: Observe) -> Route:
    def endpoint(request: Request) -> Response:
        start = time.monotonic()
        response = _respond(request, answer, limit)
        observe(path, response.status_code, time.monotonic() - start)
        return response

    return Route(path, endpoint, methods=["POST"])


def _respond(request: Request, answer: Answer, limit: int) -> Response:
    """Return the response to one request, whatever it is."""
    try:
        body = msgspec.json.encode(answer(msgspec.json.decode(_body(request, limit))))
        return Response(body, media_type="application/json")
    except _TooLarge:
        return PlainTextResponse(f"the body is larger than {limit} bytes", 413)
    except (msgspec.DecodeError, review.BadReview) as error:
        return PlainTextResponse(str(error), 400)
    except Exception as error:  # the API server passes the text on to the user
        log.exception("webhook failed", path=request.url.path)
        return PlainTextResponse(f"pycapo could not answer: {type(error).__name__}: {error}", 500)


async def _receive(request: Request) -> Message:
    return await request.receive()


def _body(request: Request, limit: int) -> bytes:
    """Return the body; endpoints run in a thread, so the server's loop is asked for each piece."""
    if int(request.headers.get("content-length") or 0) > limit:
        raise _TooLarge
    body = bytearray()
    while True:
        message = anyio.from_thread.run(_receive, request)
        body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLarge
        if not message.get("more_body"):
            return bytes(body)
