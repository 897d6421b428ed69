"""Who asks. Every call to the database carries a Scope; the row policies decide by it."""

from dataclasses import dataclass, field

from backend.domain.roles import Permission, Role, allows

PLATFORM_ROLE = "system"
DOMAIN_ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts, as the audit log names them, whatever rights the call has. `address`: that of the request's sender."""

    id: str | None
    role: str
    name: str
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, in which role, for which CPO.

    `role` is "system" (the platform itself: OCPP server, worker; row policies do not apply) or one of
    DOMAIN_ROLES. `user_id` and `cpo_id` are UUIDs as text. With an `origin`, changes are audited in that name.
    `permissions` narrows what the role allows, as an API key's scopes do; None: all of it.
    Raises ValueError for an unknown role.
    """

    role: str
    user_id: str | None = None
    cpo_id: str | None = None
    origin: Origin | None = field(default=None, compare=False, repr=False)
    permissions: frozenset[str] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.role != PLATFORM_ROLE and self.role not in DOMAIN_ROLES:
            raise ValueError(f"unknown role {self.role!r}")

    @property
    def is_system(self) -> bool:
        """True for the platform itself."""
        return self.role == PLATFORM_ROLE

    def may(self, permission: Permission) -> bool:
        """Whether the role allows it, and the scopes of an API key do not leave it out."""
        return allows(self.role, permission) and (self.permissions is None or permission in self.permissions)


SYSTEM = Scope(PLATFORM_ROLE)
