"""The person, API key or program behind a request, as the audit log names it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.scope import SYSTEM, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts. `scope` decides what the database lets through; `name` is what people read in the audit log.

    `request_id` joins the audit row with the request's log lines; None outside a request.
    """

    scope: Scope
    name: str
    request_id: str | None = None


PLATFORM = Caller(SYSTEM, "platform")
