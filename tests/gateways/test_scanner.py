"""Uploads are held until the scanner says that they are clean; a scanner that gives no answer keeps nothing."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.domain.errors import InvalidInput, StorageUnavailable
from backend.gateways.scanner import Scanner, open_scanner
from backend.gateways.storage import open_storage

NAME = "firmware/0123456789abcdef"
BAD = b"this file is EVIL indeed"
GREP = f"""{sys.executable} -c "import sys; sys.exit(b'EVIL' in open(sys.argv[1], 'rb').read())" """


@dataclass
class Clamd:
    """What ClamAV's daemon does with INSTREAM: takes pieces up to a bound, then answers, or misbehaves."""

    mood: str = "well"
    most: int = 1_000_000
    taken: list[int] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!L", await reader.readexactly(4))[0]:
            content += await reader.readexactly(size)
        self.taken.append(len(content))
        if self.mood == "hangs":
            await self.released.wait()
        elif self.mood != "hangs up":
            writer.write(self._verdict(content) + b"\0")
        writer.close()

    def _verdict(self, content: bytes) -> bytes:
        if len(content) > self.most:
            return b"INSTREAM size limit exceeded. ERROR"
        return b"stream: Evil.Test FOUND" if b"EVIL" in content else b"stream: OK"


@asynccontextmanager
async def daemon(folder: Path, mood: str = "well") -> AsyncIterator[tuple[Clamd, str]]:
    """A running one, on a socket."""
    held = Clamd(mood)
    server = await asyncio.start_unix_server(held.serve, folder / "clamd.sock")
    async with server:
        yield held, f"clamd://{folder}/clamd.sock"
        held.released.set()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def kept(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


async def write(folder: Path, scanner: Scanner | None, content: bytes) -> None:
    await open_storage(folder / "files", None, scanner).write(NAME, pieces(content), 10_000_000)


async def test_a_clean_file_is_kept_and_an_infected_one_never_appears(tmp_path: Path) -> None:
    async with daemon(tmp_path) as (clamd, address):
        for wanted in (address, GREP):
            await write(tmp_path, open_scanner(wanted), b"x" * 600_000)
            [place] = kept(tmp_path)
            place.unlink()
            with pytest.raises(InvalidInput) as refused:
                await write(tmp_path, open_scanner(wanted), BAD)
            assert refused.value.code == "file_infected" and kept(tmp_path) == []
    assert clamd.taken == [600_000, len(BAD)]


@pytest.mark.parametrize("mood", ["hangs", "hangs up", "too large"])
async def test_a_daemon_that_gives_no_answer_keeps_nothing(tmp_path: Path, mood: str) -> None:
    async with daemon(tmp_path, mood) as (clamd, address):
        clamd.most = 3 if mood == "too large" else clamd.most
        with pytest.raises(StorageUnavailable) as away:
            await write(tmp_path, open_scanner(address, timeout_s=0.5), b"clean")
    assert away.value.code == "scanner_unavailable" and kept(tmp_path) == []


@pytest.mark.parametrize(
    "command", ["/no/such/program", f"{sys.executable} -c 'import sys; sys.exit(2)'",
                f"{sys.executable} -c 'import time; time.sleep(60)'", "clamd:///no/such/socket"],
)  # fmt: skip
async def test_a_command_that_gives_no_answer_keeps_nothing(tmp_path: Path, command: str) -> None:
    with pytest.raises(StorageUnavailable):
        await write(tmp_path, open_scanner(command, timeout_s=1.0), b"clean")
    assert kept(tmp_path) == []


async def test_without_a_scanner_everything_is_kept(tmp_path: Path) -> None:
    assert open_scanner(None) is None and open_scanner("") is None
    await write(tmp_path, None, BAD)
    assert len(kept(tmp_path)) == 1
