"""Where the content of files lies: a folder of the data directory, or a bucket of the Supabase project.

Nothing is held in memory as a whole. A content appears under its name when it is complete, or not at all: it is first
written beside, so a crash leaves only drafts, which the next start clears away.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx

from backend.domain.errors import FileTooLarge, NotFound, StorageFull, StorageUnavailable
from backend.domain.files import Kept, Storage
from backend.gateways.scanner import Scanner

if TYPE_CHECKING:
    from supabase import AsyncClient

BUCKET: Final = "uniev-files"
_PIECE: Final = 256 * 1024
_DRAFT_LIFE_S: Final = 24 * 3600
_LINK_LIFE_S: Final = 60
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def open_storage(folder: Path, supabase: tuple[str, str] | None, scanner: Scanner | None = None) -> Storage:
    """The bucket of the project (its URL and key), or else the folder. What the `scanner` refuses is not kept."""
    directory = DirectoryStorage(folder, scanner)
    return directory if supabase is None else BucketStorage(*supabase, drafts=directory.drafts, scanner=scanner)


class DirectoryStorage:
    """A folder. Contents lie at `folder/<name>`, drafts in `folder/drafts`."""

    def __init__(self, folder: Path, scanner: Scanner | None = None) -> None:
        self._folder = folder
        self._scanner = scanner
        self.drafts = folder / "drafts"
        _clear_away(self.drafts)

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> Kept:
        """See Storage."""
        async with _draft(self.drafts, chunks, limit, self._scanner) as (draft, kept):
            await asyncio.to_thread(_settle, draft, self._folder / name)
            return kept

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """See Storage."""
        try:
            file = await asyncio.to_thread((self._folder / name).open, "rb")
        except FileNotFoundError as error:
            raise _gone() from error
        return _pieces(file, start, length)

    async def delete(self, name: str) -> None:
        """See Storage."""
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)


class BucketStorage:
    """A private bucket of a Supabase project, made at the first use. Drafts stay on our own disk."""

    def __init__(
        self, url: str, key: str, *, drafts: Path, bucket: str = BUCKET, scanner: Scanner | None = None
    ) -> None:
        self._url, self._key, self._drafts, self._bucket, self._scanner = url, key, drafts, bucket, scanner
        self._client: AsyncClient | None = None
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(60, connect=10), event_hooks={"request": [_only_the_api_key]}
        )

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> Kept:
        """See Storage."""
        async with _draft(self._drafts, chunks, limit, self._scanner) as (draft, kept):
            files = await self._files()
            with _outcomes():
                await files.upload(name, draft, {"content-type": "application/octet-stream", "upsert": "false"})
            return kept

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """See Storage."""
        files = await self._files()
        with _outcomes():
            link = (await files.create_signed_url(name, _LINK_LIFE_S))["signedUrl"]
            request = self._http.build_request("GET", link, headers={"Range": f"bytes={start}-{start + length - 1}"})
            answer = await self._http.send(request, stream=True)
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            await answer.aclose()
            raise _gone() if answer.status_code in (400, 404) else StorageUnavailable("The bucket does not answer.")
        skip = start if answer.status_code == httpx.codes.OK else 0
        return _body(answer, skip, length)

    async def delete(self, name: str) -> None:
        """See Storage."""
        files = await self._files()
        with _outcomes():
            await files.remove([name])

    async def _files(self) -> Any:
        """The bucket; the first call makes it."""
        from supabase import AsyncClientOptions, acreate_client  # takes half a second to import

        if self._client is None:
            options = AsyncClientOptions(httpx_client=self._http, auto_refresh_token=False, persist_session=False)
            client = await acreate_client(self._url, self._key, options)
            await self._make_bucket(client)
            self._client = client
        return self._client.storage.from_(self._bucket)

    async def _make_bucket(self, client: AsyncClient) -> None:
        from storage3.exceptions import StorageApiError

        with _outcomes():
            try:
                await client.storage.create_bucket(self._bucket, options={"public": False})
            except StorageApiError as error:
                if str(error.status) != "409" and "exists" not in str(error.message):
                    raise


class _outcomes:
    """Turns what the bucket's client raises into our outcomes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from storage3.exceptions import StorageApiError

        if isinstance(error, StorageApiError):
            if str(error.status) == "404" or "not found" in str(error.message).lower():
                raise _gone() from error
            if str(error.status) == "413":
                raise FileTooLarge("The bucket does not take files of this size.") from error
            raise StorageUnavailable(f"The bucket refuses: {error.message}.") from error
        if isinstance(error, httpx.HTTPError):
            raise StorageUnavailable("The bucket does not answer.") from error


@asynccontextmanager
async def _draft(
    folder: Path, chunks: AsyncIterator[bytes], limit: int, scanner: Scanner | None
) -> AsyncGenerator[tuple[Path, Kept]]:
    """The content on our disk, counted, hashed and looked over; gone at the end unless it was moved away."""
    draft = folder / uuid4().hex
    try:
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            file = await asyncio.to_thread(draft.open, "xb")
            try:
                kept = await _fill(file, chunks, limit)
            finally:
                await asyncio.to_thread(file.close)
            if scanner is not None and kept.size_bytes:
                await scanner.check(draft)
            yield draft, kept
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull("There is no room for this file: the disk is full.") from error
            raise StorageUnavailable(f"Files cannot be kept: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


async def _fill(file: IO[bytes], chunks: AsyncIterator[bytes], limit: int) -> Kept:
    digest, size, waiting = sha256(), 0, bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FileTooLarge(f"A file has at most {limit} bytes here.")
        waiting += chunk
        if len(waiting) >= _PIECE:
            digest.update(waiting)
            await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()
    digest.update(waiting)
    await asyncio.to_thread(_finish, file, bytes(waiting))
    return Kept(size, digest.hexdigest())


def _finish(file: IO[bytes], rest: bytes) -> None:
    file.write(rest)
    file.flush()
    os.fsync(file.fileno())


def _settle(draft: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(place)


async def _pieces(file: IO[bytes], start: int, length: int) -> AsyncGenerator[bytes]:
    try:
        await asyncio.to_thread(file.seek, start)
        while length > 0 and (piece := await asyncio.to_thread(file.read, min(length, _PIECE))):
            length -= len(piece)
            yield piece
    finally:
        file.close()


async def _body(answer: httpx.Response, skip: int, length: int) -> AsyncGenerator[bytes]:
    """A project that does not know ranges sends all: what comes before is left out."""
    try:
        async for piece in answer.aiter_bytes(_PIECE):
            wanted = piece[skip : skip + length]
            skip, length = max(skip - len(piece), 0), length - len(wanted)
            if wanted:
                yield wanted
            if length <= 0:
                return
    except httpx.HTTPError as error:
        raise StorageUnavailable("The bucket broke off.") from error
    finally:
        await answer.aclose()


def _clear_away(drafts: Path) -> None:
    """Drafts that a crash left behind."""
    for draft in drafts.glob("*"):
        if draft.stat().st_mtime < time.time() - _DRAFT_LIFE_S:
            draft.unlink(missing_ok=True)


async def _only_the_api_key(request: httpx.Request) -> None:
    # A new-style secret key is no JWT: as a bearer token it is refused, as `apikey` it is taken.
    if request.headers.get("Authorization", "").startswith("Bearer sb_"):
        del request.headers["Authorization"]


def _gone() -> NotFound:
    return NotFound("The content of this file is not there any more.", code="file_not_found")
