"""What requests are made of: the base of bodies, and the types that many nouns share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

SLASH: Final = "\x1f"
"""Stands in a decoded path for an encoded slash, which must not divide the path (see `envelope`)."""


def absent() -> Any:
    """Marks a member that counts as not sent unless the caller sends it; null is not a value of it."""
    return None


class Body(BaseModel):
    """A request body: unknown members are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def sent(self) -> dict[str, Any]:
        """The members that the caller sent, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not an IANA time zone such as Asia/Jakarta")
    return name


_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2999, 1, 1, tzinfo=UTC)

Name = Annotated[str, Field(min_length=1, max_length=120)]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
EmailAddress = Annotated[
    str, Field(min_length=3, max_length=254, pattern=r"^[!#-'*+/-9=?A-Z^-~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
Moment = Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST)]
Identity = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[!-~]([ -~]*[!-~])?$")]

ChargerId = Annotated[
    str,
    Path(max_length=48, description="OCPP identity of the charger; percent-encode special characters."),
    AfterValidator(lambda text: text.replace(SLASH, "/")),
]
UuidPath = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="Identifier (UUID).",
        json_schema_extra={"format": "uuid"},
    ),
]
