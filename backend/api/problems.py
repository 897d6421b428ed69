"""Errors as `application/problem+json` (RFC 9457) with a stable `code`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from backend.domain.errors import DatabaseUnavailable, DomainError, StorageUnavailable, TooManyAttempts, TooManyRequests

MEDIA_TYPE: Final = "application/problem+json"
_log = logging.getLogger("uniev.api")
_DATABASE_RETRY_S: Final = 5

# Outcomes the database states in its own words; people get ours, the log gets both.
_PLAIN_WORDS: Final = {
    "invalid_value": "A value does not fit: wrong form, out of range, or a character that cannot be stored.",
    "missing_value": "A value that is needed is missing.",
    "unknown_reference": "Something refers to what does not exist, or is still referred to.",
    "rule_violated": "The values contradict a rule of the data.",
    "already_exists": "It exists already.",
    "overlaps": "It overlaps with what exists already.",
    "duplicate_rows": "The same thing was sent twice.",
    "invalid_filter": "The filter does not fit this list.",
}
_HTTP_CODES: Final = {
    400: "bad_request",
    404: "route_not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
}


class MemberProblem(BaseModel):
    """What is wrong with one member of the request."""

    member: str = Field(description="Path of the member, for example `connectors.0.power_w`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error, in the form of RFC 9457."""

    type: str = Field(description="URN of the kind of problem; ends in the code.")
    title: str = Field(description="Name of the HTTP status.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="One sentence for people.")
    code: str = Field(description="Stable word for programs.")
    request_id: str | None = Field(default=None, description="Names this request in the platform's log.")
    errors: list[MemberProblem] | None = Field(default=None, description="On 422: the members that do not fit.")


def problem_document(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str | None,
    members: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The JSON object of a problem."""
    errors = [MemberProblem(member=member, message=message) for member, message in members]
    problem = Problem(
        type=f"urn:uniev:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=errors or None,
    )
    return problem.model_dump(exclude_none=True)


def install(app: FastAPI) -> None:
    """Renders every error of the application as a problem."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the statuses that a route may answer with a problem."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    detail = _public_detail(error)
    if detail != error.detail:
        _log.warning("%s: %s", error.code, error.detail, extra={"request_id": _request_id(request)})
    headers = {}
    if isinstance(error, TooManyRequests):
        request.scope.setdefault("state", {})["allowance"] = error.allowance
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, DatabaseUnavailable):
        headers["Retry-After"] = str(_DATABASE_RETRY_S)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, error.status, error.code, detail, error.members, headers)


def _public_detail(error: DomainError) -> str:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, StorageUnavailable):
        unavailable = error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
        return "The database is busy or away; try again." if unavailable else "Something went wrong on our side."
    return _PLAIN_WORDS.get(error.code, error.detail)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    members = [(_path(item["loc"]), str(item["msg"])) for item in error.errors()]
    detail = "The request does not fit; see `errors`."
    return _answer(request, 422, "invalid_input", detail, members, {})


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    return _answer(request, error.status_code, code, str(error.detail), (), headers)


def _answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    members: Iterable[tuple[str, str]],
    headers: dict[str, str],
) -> JSONResponse:
    document = problem_document(status, code, detail, request_id=_request_id(request), members=members)
    return JSONResponse(document, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _request_id(request: Request) -> str | None:
    found: str | None = request.scope.get("state", {}).get("request_id")
    return found


def _path(location: Sequence[str | int]) -> str:
    """`("body", "connectors", 0)` → `connectors.0`; a parameter keeps its name alone."""
    parts = [str(part) for part in location]
    return ".".join(parts[1:] if len(parts) > 1 else parts)
