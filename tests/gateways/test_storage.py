"""Contents of files: whole or not at all, in pieces, in a folder and in a bucket alike."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from backend.domain.errors import FileTooLarge, NotFound, StorageFull, StorageUnavailable
from backend.domain.files import NoStorage, Storage, content_name, new_token, shown_name
from backend.gateways.storage import BUCKET, BucketStorage, DirectoryStorage, open_storage
from tests.support.bucket import Bucket, running_bucket

CONTENT = os.urandom(700_001)
NAME = "firmware/0123456789abcdef"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with running_bucket() as held:
        yield held


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Both kinds."""
    if request.param == "folder":
        return open_storage(tmp_path, None)
    held: Bucket = request.getfixturevalue("bucket")
    return open_storage(tmp_path, (held.url, held.key))


async def pieces(content: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def broken(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError


async def told(storage: Storage, start: int = 0, length: int = 10**9) -> bytes:
    return b"".join([piece async for piece in await storage.read(NAME, start, length)])


def files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


async def test_a_content_is_read_as_it_was_written(storage: Storage) -> None:
    kept = await storage.write(NAME, pieces(CONTENT), len(CONTENT))

    assert (kept.size_bytes, kept.sha256) == (len(CONTENT), sha256(CONTENT).hexdigest())
    assert await told(storage, length=len(CONTENT)) == CONTENT
    assert await told(storage, 300_000, 300_000) == CONTENT[300_000:600_000]
    assert await told(storage, len(CONTENT) - 1, 1) == CONTENT[-1:]


async def test_a_deleted_content_is_gone_and_deleting_again_is_no_error(storage: Storage) -> None:
    await storage.write(NAME, pieces(b"x"), 1)
    for _ in range(2):
        await storage.delete(NAME)

    with pytest.raises(NotFound) as gone:
        await told(storage, length=1)
    assert gone.value.code == "file_not_found"


async def test_what_is_too_large_or_breaks_off_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        await storage.write(NAME, pieces(CONTENT), len(CONTENT) - 1)
    with pytest.raises((ConnectionResetError, StorageUnavailable)):
        await storage.write(NAME, broken(CONTENT), len(CONTENT))

    assert files(tmp_path) == []
    with pytest.raises(NotFound):
        await told(storage, length=1)


async def test_a_full_disk_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage = DirectoryStorage(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull) as refused:
        await storage.write(NAME, pieces(CONTENT), len(CONTENT))

    assert (refused.value.status, files(tmp_path)) == (507, [])
    assert "full" in refused.value.detail


async def test_a_folder_that_takes_nothing_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a folder")
    with pytest.raises(StorageUnavailable):
        await DirectoryStorage(tmp_path / "files").write(NAME, pieces(b"x"), 1)


async def test_no_reader_ever_sees_half_a_content(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)

    async def watched() -> AsyncIterator[bytes]:
        async for piece in pieces(CONTENT):
            assert not (tmp_path / NAME).exists()
            yield piece

    await storage.write(NAME, watched(), len(CONTENT))
    assert files(tmp_path) == [NAME]


def test_drafts_that_a_crash_left_are_cleared_away(tmp_path: Path) -> None:
    for name, age in (("old", 2 * 86_400), ("young", 60)):
        draft = tmp_path / "drafts" / name
        draft.parent.mkdir(exist_ok=True)
        draft.write_bytes(b"x")
        at = draft.stat().st_mtime - age
        os.utime(draft, (at, at))
    DirectoryStorage(tmp_path)

    assert files(tmp_path) == ["drafts/young"]


async def test_the_bucket_is_private_and_made_once(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(2):
        storage = BucketStorage(bucket.url, bucket.key, drafts=tmp_path)
        await storage.write(f"{NAME}{number}", pieces(b"abc"), 3)

    assert bucket.public == {BUCKET: False}
    assert bucket.objects == {f"{BUCKET}/{NAME}{number}": b"abc" for number in range(2)}
    assert files(tmp_path) == []


async def test_a_bucket_that_refuses_or_is_away_is_said_clearly(bucket: Bucket, tmp_path: Path) -> None:
    bucket.limit = 2
    with pytest.raises(FileTooLarge):
        await BucketStorage(bucket.url, bucket.key, drafts=tmp_path).write(NAME, pieces(b"abc"), 3)
    with pytest.raises(StorageUnavailable):
        await BucketStorage(bucket.url, "sb_secret_other", drafts=tmp_path).write(NAME, pieces(b"abc"), 3)
    with pytest.raises(StorageUnavailable):
        await BucketStorage("http://127.0.0.1:1", bucket.key, drafts=tmp_path).write(NAME, pieces(b"abc"), 3)

    assert files(tmp_path) == []


async def test_a_program_without_storage_says_so() -> None:
    with pytest.raises(StorageUnavailable):
        await NoStorage().write(NAME, pieces(b"x"), 1)


@pytest.mark.parametrize(("given", "shown"), [
    ("fw-1.2.bin", "fw-1.2.bin"), ("../../etc/passwd", "passwd"), ("C:\\logs\\a b.zip", "a b.zip"), ("..", None),
    ("", None), (None, None), ('x";\r\n.log', "x____.log"), ("n" * 500, "n" * 120),
])  # fmt: skip
def test_names_from_outside_are_for_showing_only(given: str | None, shown: str | None) -> None:
    assert shown_name(given) == shown


def test_names_and_links_are_of_our_own_making() -> None:
    made: list[Any] = [new_token() for _ in range(100)]

    assert len(set(made)) == 100 and {len(token) for token in made} == {32}
    assert content_name("logs").startswith("logs/") and len(content_name("logs")) == 37
