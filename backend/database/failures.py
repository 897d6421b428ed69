"""SQLSTATE → business outcome, once for both transports."""

import re

from backend.domain.errors import (
    Conflict,
    DatabaseTimeout,
    DatabaseUnavailable,
    DomainError,
    Forbidden,
    InvalidInput,
    NotFound,
    UnknownFunction,
    error_for,
)

# PostgreSQL's five-character codes and PostgREST's own. The longest prefix that fits wins.
_OUTCOMES: dict[str, tuple[type[DomainError], str]] = {
    "22": (InvalidInput, "invalid_value"),
    "23502": (InvalidInput, "missing_value"),
    "23503": (InvalidInput, "unknown_reference"),
    "23514": (InvalidInput, "rule_violated"),
    "23505": (Conflict, "already_exists"),
    "23P01": (Conflict, "overlaps"),
    "21000": (InvalidInput, "duplicate_rows"),
    "40": (DatabaseUnavailable, "database_busy"),
    "42501": (Forbidden, "forbidden"),
    "42883": (UnknownFunction, "unknown_function"),
    "42P01": (InvalidInput, "unknown_table"),
    "42703": (InvalidInput, "unknown_column"),
    "53": (DatabaseUnavailable, "database_full"),
    "55P03": (DatabaseUnavailable, "database_busy"),
    "57014": (DatabaseTimeout, "database_timeout"),
    "57": (DatabaseUnavailable, "database_unavailable"),
    "08": (DatabaseUnavailable, "database_unavailable"),
    "58": (DatabaseUnavailable, "database_unavailable"),
    "P0002": (NotFound, "not_found"),
    "PGRST000": (DatabaseUnavailable, "database_unavailable"),
    "PGRST001": (DatabaseUnavailable, "database_unavailable"),
    "PGRST002": (DatabaseUnavailable, "database_unavailable"),
    "PGRST003": (DatabaseTimeout, "database_timeout"),
    "PGRST100": (InvalidInput, "invalid_filter"),
    "PGRST102": (InvalidInput, "invalid_value"),
    "PGRST116": (NotFound, "not_found"),
    "PGRST200": (InvalidInput, "unknown_column"),
    "PGRST202": (UnknownFunction, "unknown_function"),
    "PGRST203": (UnknownFunction, "unknown_function"),
    "PGRST204": (InvalidInput, "unknown_column"),
    "PGRST205": (InvalidInput, "unknown_table"),
    "PGRST301": (DatabaseUnavailable, "database_key_refused"),
    "PGRST302": (DatabaseUnavailable, "database_key_refused"),
    "PGRST303": (DatabaseUnavailable, "database_key_refused"),
}
_OWN_CODE = re.compile(r"[a-z][a-z0-9_]*")


def outcome(sqlstate: str, message: str, *, detail: str | None = None, hint: str | None = None) -> DomainError:
    """The error to raise for what the database reported.

    `P0001` with one of our codes in `hint` is a business outcome of an SQL function: its message is meant for
    people. A constraint's detail ("Key (id)=(X) already exists.") says more than its message.
    """
    if sqlstate == "P0001" and hint and _OWN_CODE.fullmatch(hint):
        return error_for(hint, message)
    for length in (len(sqlstate), 2):
        if known := _OUTCOMES.get(sqlstate[:length]):
            kind, code = known
            return kind(detail if sqlstate in ("23505", "23503") and detail else message, code=code)
    return DomainError(f"the database refused: {message} ({sqlstate})", code="database_error")
