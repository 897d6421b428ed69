"""One class per kind of business outcome. Each edge renders them once (HTTP status, OCPP CALLERROR).

SQL functions raise the same outcomes: `raise exception using errcode = 'P0001', message = '<detail>',
hint = '<code>'`. `error_for` turns such a code into the class that bears it.
"""

from collections.abc import Sequence

from backend.domain.rates import Allowance


class DomainError(Exception):
    """Base of all business outcomes.

    `code`: stable word for machines. `status`: the HTTP status that fits. `detail`: one sentence for people.
    `members`: (path of the member, what is wrong with it) for input that fails in several places.
    """

    code = "internal_error"
    status = 500

    def __init__(self, detail: str = "", *, code: str | None = None, members: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail or self.code)
        self.detail = detail or self.code.replace("_", " ")
        self.members = tuple(members)
        if code:
            self.code = code


class InvalidInput(DomainError):
    """What was sent breaks a rule: format, range, missing member, reference to something absent."""

    code = "invalid_input"
    status = 422


class Unauthenticated(DomainError):
    """No credentials, or credentials that do not hold."""

    code = "unauthenticated"
    status = 401


class Forbidden(DomainError):
    """The caller is known but may not do this."""

    code = "forbidden"
    status = 403


class NotFound(DomainError):
    """It does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404


class Conflict(DomainError):
    """It contradicts what is already stored."""

    code = "conflict"
    status = 409


class ChargerOffline(Conflict):
    """The charger is not connected and the command was not to be queued."""

    code = "charger_offline"


class TooManyAttempts(DomainError):
    """Tried too often; `retry_after_s` says when to come back."""

    code = "too_many_attempts"
    status = 429

    def __init__(self, detail: str = "", *, retry_after_s: int) -> None:
        super().__init__(detail or f"Too many attempts; try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class TooManyRequests(TooManyAttempts):
    """Asked more often than the rate allows."""

    code = "too_many_requests"

    def __init__(self, allowance: Allowance) -> None:
        rate = allowance.rate
        detail = f"At most {rate.requests} requests in {rate.period_s} s; go on in {allowance.reset_s} s."
        super().__init__(detail, retry_after_s=allowance.reset_s)
        self.allowance = allowance


class DatabaseUnavailable(DomainError):
    """The database cannot be reached, or the connection was lost; trying again later may help."""

    code = "database_unavailable"
    status = 503


class DatabaseTimeout(DatabaseUnavailable):
    """The database did not answer in the time allowed."""

    code = "database_timeout"
    status = 504


class SchemaOutdated(DomainError):
    """The database lacks migrations, or has ones that this program does not know."""

    code = "schema_outdated"
    status = 503


class FileTooLarge(DomainError):
    """More bytes than a file may have."""

    code = "file_too_large"
    status = 413


class StorageUnavailable(DomainError):
    """Files can neither be kept nor read now; `detail` is fit for people."""

    code = "storage_unavailable"
    status = 503


class StorageFull(StorageUnavailable):
    """There is no room left for files."""

    code = "storage_full"
    status = 507


class UnknownFunction(DomainError):
    """A call named an SQL function, or arguments of it, that do not exist: a defect of ours."""

    code = "unknown_function"


# Codes whose name does not say their class. The rest follow from the word they end in (see below).
_CLASS_OF_CODE: dict[str, type[DomainError]] = {
    kind.code: kind
    for kind in (
        InvalidInput,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        ChargerOffline,
        DatabaseUnavailable,
        DatabaseTimeout,
    )
}
_CLASS_OF_ENDING: tuple[tuple[str, type[DomainError]], ...] = (
    ("_not_found", NotFound),
    ("_forbidden", Forbidden),
    ("_exists", Conflict),
    ("_conflict", Conflict),
    ("_mismatch", Conflict),
    ("_in_use", Conflict),
    ("_busy", Conflict),
)


def error_for(code: str, detail: str = "") -> DomainError:
    """The outcome that bears `code`; an unknown code becomes InvalidInput bearing that code."""
    kind = _CLASS_OF_CODE.get(code)
    if kind is None:
        kind = next((cls for ending, cls in _CLASS_OF_ENDING if code.endswith(ending)), InvalidInput)
    return kind(detail, code=code)
