"""Lists in pages: `limit` and an opaque, signed `cursor`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from backend.domain.errors import InvalidInput
from backend.services.records import Page, PageRequest

T = TypeVar("T")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_SEAL_BYTES: Final = 12


class ItemList(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(json_schema_extra={"description": "One page of a list."})

    items: list[T] = Field(description="The rows of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` to get the next page; null on the last page.")


class CountedList(ItemList[T], Generic[T]):
    """One page of a list that can be counted."""

    total: int | None = Field(default=None, description="Rows of all pages; only with `count=true`.")


class Cursors:
    """Makes and reads cursors. The seal keeps a cursor to the list it came from, and its values ours."""

    def __init__(self, secret_key: str) -> None:
        self._key = hashlib.sha256(b"uniev cursor " + secret_key.encode()).digest()

    def make(self, path: str, after: list[Any] | None) -> str | None:
        """The cursor of the page after the row with these order values; None if there is none."""
        if after is None:
            return None
        body = json.dumps(after, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(path, body) + body).rstrip(b"=").decode()

    def read(self, path: str, cursor: str) -> list[Any]:
        """The order values within. Raises InvalidInput (`invalid_cursor`)."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid() from error
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(path, body)):
            raise _invalid()
        values: list[Any] = json.loads(body)
        return values

    def _seal(self, path: str, body: bytes) -> bytes:
        return hmac.new(self._key, path.encode() + b"\0" + body, hashlib.sha256).digest()[:_SEAL_BYTES]


class Paging:
    """Dependency: the page that the caller asks for, and the envelope to answer with."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows per page.")] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")] = None,
    ) -> None:
        self._cursors: Cursors = request.app.state.cursors
        self._path = request.url.path
        self.request = PageRequest(limit, self._cursors.read(self._path, cursor) if cursor else None)

    def answer(self, page: Page[T]) -> ItemList[T]:
        """The page as the caller gets it."""
        return ItemList(items=page.items, next_cursor=self._next(page))

    def counted(self, page: Page[T]) -> CountedList[T]:
        """The page with its total."""
        return CountedList(items=page.items, next_cursor=self._next(page), total=page.total)

    def _next(self, page: Page[Any]) -> str | None:
        return self._cursors.make(self._path, page.after)


def _invalid() -> InvalidInput:
    detail = "The cursor is not one that this list gave."
    return InvalidInput(detail, code="invalid_cursor", members=[("cursor", detail)])
