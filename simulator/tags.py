"""What a charger knows of id tokens by itself: `idTagInfo` as data, and the local authorisation list (1.6 §3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


def read_time(text: str) -> datetime:
    """A time from the wire, aware; without a zone it is UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TagInfo:
    """`idTagInfo`: `status` as on the wire, the group (`parent`), and until when it may be believed."""

    status: str
    parent: str | None = None
    expires_at: datetime | None = None

    @classmethod
    def read(cls, info: object) -> TagInfo:
        """From the wire (members in either case style); "Invalid" when the platform left it out."""
        if not isinstance(info, dict):
            return cls("Invalid")
        known: Mapping[str, Any] = info
        expires = known.get("expiry_date") or known.get("expiryDate")
        return cls(
            str(known.get("status", "Invalid")),
            known.get("parent_id_tag") or known.get("parentIdTag"),
            _time_or_none(expires),
        )

    def at(self, moment: datetime) -> str:
        """The status at `moment`: what was accepted once expires."""
        over = self.expires_at is not None and self.expires_at <= moment
        return "Expired" if over and self.status == "Accepted" else self.status


def _time_or_none(text: object) -> datetime | None:
    try:
        return read_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


class LocalList:
    """The local authorisation list: `version` 0 while empty, entries by tag regardless of case."""

    def __init__(self) -> None:
        self.version = 0
        self._entries: dict[str, TagInfo] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id_token: str) -> TagInfo | None:
        """The entry of a tag."""
        return self._entries.get(id_token.casefold())

    def update(self, version: int, kind: str, rows: Sequence[dict[str, Any]], most: int) -> str:
        """SendLocalList (1.6 §5.15): Accepted, Failed or VersionMismatch; a refusal leaves the list as it was.

        `most` is how many entries fit.
        """
        if version < 1:
            return "Failed"
        full = kind == "Full"
        if not full and version <= self.version:
            return "VersionMismatch"
        if full and any(row.get("id_tag_info") is None for row in rows):
            return "Failed"
        made = {} if full else dict(self._entries)
        for row in rows:
            _enter(made, row)
        if len(made) > most:
            return "Failed"
        self.version, self._entries = version if made or not full else 0, made
        return "Accepted"


def _enter(entries: dict[str, TagInfo], row: dict[str, Any]) -> None:
    name = str(row["id_tag"]).casefold()
    info = row.get("id_tag_info")
    if info is None:
        entries.pop(name, None)
    else:
        entries[name] = TagInfo.read(info)
