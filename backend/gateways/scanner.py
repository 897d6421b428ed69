"""Looks uploaded files over before they are kept: by a command of the operator's, or by ClamAV's daemon.

A file is held as a draft until it is clean. When the scanner cannot be asked nothing is kept: silence is no answer.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import struct
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from backend.domain.errors import InvalidInput, StorageUnavailable

_log = logging.getLogger("uniev.files")
_PIECE: Final = 256 * 1024
_CLAMD_PORT: Final = 3310
TIMEOUT_S: Final = 120.0


class Scanner(Protocol):
    """Says whether a file may be kept."""

    async def check(self, file: Path) -> None:
        """Raises InvalidInput (`file_infected`), StorageUnavailable when it cannot be asked."""
        ...


def open_scanner(wanted: str | None, timeout_s: float = TIMEOUT_S) -> Scanner | None:
    """`clamd://host:port`, `clamd:///path/to/socket`, or a command line, to which the file's path is added."""
    if not wanted:
        return None
    if wanted.startswith("clamd://"):
        parts = urlsplit(wanted)
        place = parts.path if not parts.hostname else (parts.hostname, parts.port or _CLAMD_PORT)
        return ClamDaemon(place, timeout_s)
    return Command(shlex.split(wanted), timeout_s)


class Command:
    """A program: exit status 0 means clean, 1 infected (as `clamscan` and `clamdscan` have it), all else no answer."""

    def __init__(self, command: list[str], timeout_s: float) -> None:
        self._command = command
        self._timeout_s = timeout_s

    async def check(self, file: Path) -> None:
        """See Scanner. The program is ended when its time is over."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, str(file), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            raise _unasked(str(error)) from error
        try:
            said, _ = await asyncio.wait_for(process.communicate(), self._timeout_s)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise _unasked("it took too long") from error
        if process.returncode == 1:
            raise _infected(said.decode(errors="replace"))
        if process.returncode != 0:
            raise _unasked(f"exit status {process.returncode}: {said.decode(errors='replace')[-200:]}")


class ClamDaemon:
    """ClamAV's daemon, by its INSTREAM command: the file goes over the socket, so it may run elsewhere."""

    def __init__(self, place: str | tuple[str, int], timeout_s: float) -> None:
        self._place = place
        self._timeout_s = timeout_s

    async def check(self, file: Path) -> None:
        """See Scanner."""
        try:
            said = await asyncio.wait_for(self._ask(file), self._timeout_s)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise _unasked(repr(error)) from error
        if said.endswith("FOUND"):
            raise _infected(said)
        if said != "stream: OK":
            raise _unasked(said or "it hung up")

    async def _ask(self, file: Path) -> str:
        place = self._place
        connect = asyncio.open_unix_connection(place) if isinstance(place, str) else asyncio.open_connection(*place)
        reader, writer = await connect
        try:
            writer.write(b"zINSTREAM\0")
            with file.open("rb") as content:
                while piece := await asyncio.to_thread(content.read, _PIECE):
                    writer.write(struct.pack("!L", len(piece)) + piece)
                    await writer.drain()
            writer.write(struct.pack("!L", 0))
            await writer.drain()
            return (await reader.readuntil(b"\0")).rstrip(b"\0").decode(errors="replace")
        finally:
            writer.close()


def _infected(said: str) -> InvalidInput:
    _log.warning("an upload was refused by the scanner: %s", said.strip()[-200:])
    return InvalidInput("The scanner for malware refuses this file.", code="file_infected")


def _unasked(why: str) -> StorageUnavailable:
    _log.error("the scanner of uploads cannot be asked: %s", why)
    return StorageUnavailable("Files cannot be looked over for malware now; try again.", code="scanner_unavailable")
