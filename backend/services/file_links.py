"""What charger-facing links lead to: firmware to fetch, a place to upload a log to. Who has the link needs no login."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from backend.database import SYSTEM, Database
from backend.domain.errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound
from backend.domain.files import FileRules, Storage, content_name, shown_name, token_hash

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """A file of firmware as its link shows it."""

    content_name: str
    name: str
    size_bytes: int
    sha256: str


class FileLinks:
    """Follows links by the hash of their secret part."""

    def __init__(self, database: Database, storage: Storage, rules: FileRules) -> None:
        self._database = database
        self._storage = storage
        self._rules = rules

    async def download(self, token: str) -> Download:
        """What a link leads to. Raises NotFound (`link_not_found`), also when its time is over."""
        row = await self._follow("open_download", token)
        return Download(row["content_name"], row["name"], row["size_bytes"], row["sha256"])

    async def content(self, file: Download, start: int, length: int) -> AsyncIterator[bytes]:
        """A part of it. Raises NotFound (`file_not_found`), StorageUnavailable."""
        return await self._storage.read(file.content_name, start, length)

    async def served(self, token: str, start: int, length: int) -> None:
        """Notes that these bytes have left; once all have, the link ends soon."""
        if not length:
            return
        arguments = {"p_token_hash": token_hash(token), "p_start": start, "p_length": length}
        try:
            await self._database.call("note_served", arguments, scope=SYSTEM)
        except DatabaseUnavailable as error:  # the charger has its bytes; the link ends with the job at the latest
            log.warning("bytes of firmware that left were not noted: %s", error.detail)

    async def may_upload(self, token: str, declared_bytes: int | None) -> int:
        """The most bytes that may come.

        Raises NotFound (`link_not_found`), Conflict (`link_used`), InvalidInput (`empty_file`).
        """
        row = await self._follow("open_upload", token)
        if row["received"]:
            raise _used()
        if declared_bytes == 0:
            raise _empty()
        return self._rules.log_limit

    async def upload(self, token: str, name: str | None, chunks: AsyncIterator[bytes], limit: int) -> None:
        """Keeps what comes, once. Raises as `may_upload`, FileTooLarge, StorageFull, StorageUnavailable."""
        content = content_name("logs")
        kept = await self._storage.write(content, chunks, limit)
        arguments = {
            "p_token_hash": token_hash(token), "p_content_name": content, "p_file_name": shown_name(name),
            "p_size_bytes": kept.size_bytes, "p_sha256": kept.sha256,
        }  # fmt: skip
        first = kept.size_bytes > 0 and await self._database.call("finish_upload", arguments, scope=SYSTEM)
        if not first:
            await self._storage.delete(content)
            raise _used() if kept.size_bytes else _empty()

    async def _follow(self, function: str, token: str) -> dict[str, Any]:
        wanted = token_hash(token)
        row: dict[str, Any] | None = await self._database.call(function, {"p_token_hash": wanted}, scope=SYSTEM)
        if row is None or not hmac.compare_digest(str(row["token_hash"]), wanted):
            raise NotFound("This link leads nowhere, or its time is over.", code="link_not_found")
        return row


def _used() -> Conflict:
    return Conflict("Something was uploaded here already.", code="link_used")


def _empty() -> InvalidInput:
    return InvalidInput("The file is empty.", code="empty_file")
