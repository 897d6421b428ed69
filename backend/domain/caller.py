"""The person, API key or program behind a request, as the audit log names it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.domain.scope import PLATFORM_ROLE, SYSTEM, Origin, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts. `scope` decides what the database lets through; `name` is what people read in the audit log.

    `request_id` joins the audit row with the request's log lines, `address` says where it came from; None outside a
    request. The scope carries all of it, so that whatever is changed through it is audited in this name. `login_id`:
    the login that an access token belongs to. `enrolling`: the second factor that the role asks for is missing, so
    nothing is allowed but to enrol one.
    """

    scope: Scope
    name: str
    request_id: str | None = None
    address: str | None = None
    login_id: str | None = None
    enrolling: bool = False

    def __post_init__(self) -> None:
        origin = Origin(self.scope.user_id, self.scope.role, self.name, self.address, self.request_id)
        object.__setattr__(self, "scope", replace(self.scope, origin=origin))

    @property
    def as_platform(self) -> Scope:
        """The platform's own rights, for what was checked before and row policies refuse; audited as the caller."""
        return Scope(PLATFORM_ROLE, origin=self.scope.origin)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a person comes from who is not known yet: network address and browser or program, as far as known."""

    address: str | None = None
    agent: str | None = None


PLATFORM = Caller(SYSTEM, "platform")
