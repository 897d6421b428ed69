"""The network side of a charger: one WebSocket at a time, who is refused and why, and a count of what was
said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from simulator.access import Access
from simulator.books import Books, Frame
from simulator.outbox import CallRefused, NotDelivered, Unanswered
from simulator.v16 import SUBPROTOCOL, Handler, Wire


class Unreachable(Exception):
    """No WebSocket to the platform: nobody listens, or the handshake failed."""


class IdentityRefused(Unreachable):
    """The platform refused the handshake; `status` is the HTTP status (404: the identity is not
    registered).
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the platform refused the connection with HTTP {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How a charger connects.

    `password` Basic password, as text or raw bytes; `subprotocols` what is offered, in order;
    `answer_timeout_s` and `open_timeout_s` real seconds; `checked` validates schemas on the charger's side;
    `compression` offers permessage-deflate; `ping_interval_s` None: no WebSocket pings; `keep_frames`
    records frames in the books.
    For TLS: `secure_url` is where security profiles 2 and 3 connect (default: the same host and port by wss),
    `ca_file` a PEM file trusted besides installed roots, `certificate` the charger's own with its key (two PEM
    files), `check_hostname` False for a server reached under another name.
    """

    password: str | bytes | None = None
    subprotocols: Sequence[str] = (SUBPROTOCOL,)
    answer_timeout_s: float = 30.0
    open_timeout_s: float = 10.0
    checked: bool = True
    compression: bool = True
    ping_interval_s: float | None = None
    keep_frames: bool = True
    counted_ids: bool = False
    secure_url: str | None = None
    ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    check_hostname: bool = True


class Link:
    """The connection of one charger; `handlers` answer the platform's calls, `on_lost` is told when it
    ends.
    """

    def __init__(
        self,
        access: Access,
        options: LinkOptions,
        books: Books,
        handlers: Callable[[], dict[str, Handler]],
        on_lost: Callable[[], None],
        start_task: Callable[[Awaitable[None]], None],
    ) -> None:
        self.access = access
        self.identity = access.identity
        self.options = options
        self.books = books
        self.handlers = handlers
        self.start_task = start_task
        self._on_lost = on_lost
        self._connection: ClientConnection | None = None
        self._wire: Wire | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """True while a connection stands."""
        return self._wire is not None and not self._wire.lost.is_set()

    async def connect(self) -> None:
        """Open the WebSocket. Raises IdentityRefused (HTTP answer) or Unreachable (no answer)."""
        await self.close()
        self._connection = await self._open()
        self.books.connections += 1
        options = self.options
        self._wire = Wire(
            self.identity,
            self._connection,
            self,
            answer_timeout_s=options.answer_timeout_s,
            checked=options.checked,
            counted_ids=options.counted_ids,
        )
        self._listening = asyncio.create_task(self._listen(self._wire))

    async def _open(self) -> ClientConnection:
        options = self.options
        try:
            return await connect(
                self.access.address,
                subprotocols=[Subprotocol(name) for name in options.subprotocols],
                additional_headers=self.access.headers(),
                ssl=self.access.context(),
                compression="deflate" if options.compression else None,
                ping_interval=options.ping_interval_s,
                open_timeout=options.open_timeout_s,
                close_timeout=1,
                proxy=None,
            )
        except InvalidStatus as error:
            raise IdentityRefused(error.response.status_code) from error
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException, EOFError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    async def _listen(self, wire: Wire) -> None:
        try:
            await wire.listen()
        finally:
            if wire is self._wire:
                self._on_lost()

    async def ask(self, payload: Any) -> Any:
        """Send a call, return its answer, keep count; raises NotDelivered, Unanswered, CallRefused."""
        wire = self._wire
        if wire is None or wire.lost.is_set():
            raise NotDelivered
        messages = self.books.messages
        messages["sent"] += 1
        self.books.by_action[type(payload).__name__] += 1
        try:
            answer = await wire.ask(payload)
        except CallRefused:
            messages["errors"] += 1
            raise
        except (NotDelivered, Unanswered):
            messages["unanswered"] += 1
            raise
        messages["answered"] += 1
        return answer

    async def send_text(self, text: str) -> None:
        """Put any text on the wire; raises NotDelivered."""
        if self._wire is None:
            raise NotDelivered
        await self._wire.send_text(text)

    def drop(self) -> None:
        """The cable is pulled: the connection ends without a close frame."""
        if self._connection is not None:
            self._connection.transport.abort()
        if self._wire is not None:
            self._wire.lost.set()

    async def close(self) -> None:
        """End the connection with a close frame and wait until the reader has ended."""
        if self._connection is not None:
            await self._connection.close()
        if self._listening is not None:
            await asyncio.wait({self._listening})
        self._connection = self._wire = self._listening = None

    def on_frame(self, direction: str, text: str) -> None:
        """Record a frame (part of `simulator.v16.Owner`)."""
        if self.options.keep_frames:
            self.books.frames.append(Frame(datetime.now(UTC), direction, text))
