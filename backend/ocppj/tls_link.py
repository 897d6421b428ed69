"""TLS between a TCP connection and a charger's socket.

The event loop's own TLS would do the costly part of a handshake (a signature: up to a millisecond) for whoever comes,
at once: a storm would leave no time for the chargers that are connected. Here each step of a handshake waits for its
turn (`admission.Door`), and why one failed is told. Once it is over this is a transport like any other.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from backend.ocppj.admission import Door
from backend.ocppj.socket import ChargerSocket
from backend.ocppj.tls import Handshake, refusal_reason

_RECORD_HEADER: Final = 5  # kind, version, length in two bytes (RFC 8446 §5.1)
_HANDSHAKE: Final = 22
_LONGEST_FLIGHT: Final = 1 << 17  # what a client may say in one go before the handshake is over
_CHUNK: Final = 1 << 16

Told = Callable[[str, str | None, str | None], None]
"""Hears of a handshake that failed: reason, common name of the certificate that was shown, IP address."""

# After the handshake nothing looks at messages any more. Under this mode alone the library shows a certificate.
_QUIET: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
_QUIET.verify_mode = ssl.CERT_OPTIONAL


class TlsLink(asyncio.Protocol, asyncio.Transport):
    """`socket`'s transport, and the protocol of the TCP connection below. `door`: where steps of handshakes wait."""

    __slots__ = ("_answered", "_context", "_door", "_early", "_incoming", "_knocked_at", "_outgoing", "_paused",
                 "_shaken", "_socket", "_tcp", "_tell", "_tls")  # fmt: skip

    def __init__(self, socket: ChargerSocket, context: ssl.SSLContext, door: Door, tell: Told) -> None:
        super().__init__()
        self._socket, self._context, self._door, self._tell = socket, context, door, tell
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._early = bytearray()  # what came since the last step of the handshake
        self._knocked_at: float | None = None
        self._answered = self._paused = self._shaken = False
        self._tcp: asyncio.Transport | None = None
        self._tls: Handshake | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast(asyncio.Transport, transport)
        self._socket.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._shaken:
            self._incoming.write(data)
            self._deliver()
            return
        if self.is_closing():
            return
        self._early += data
        if len(self._early) > _LONGEST_FLIGHT:
            self.abort()
        elif self._knocked_at is None and self._says_something():
            self._knocked_at, self._socket.waits = self._socket.loop.time(), True
            self._door.knock(self)

    def eof_received(self) -> bool:
        if self._shaken:
            self._socket.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._tls is not None and self._answered and not self._shaken:  # it has seen our certificate
            self._failed("tls_left")
        self._tcp = self._tls = None
        self._socket.connection_lost(exc)

    def pause_writing(self) -> None:
        self._socket.pause_writing()

    # -- admission.Guest

    @property
    def is_gone(self) -> bool:
        """The TCP connection has ended."""
        return self._tcp is None

    def come_in(self) -> bool:
        """One step: the answer to the client's hello, or the check of what followed. The next guest comes in the next
        pass of the loop."""
        loop, knocked_at, self._knocked_at = self._socket.loop, self._knocked_at, None
        loop.call_soon(self._door.leave)
        self._socket.waits = False
        self._socket.heard_at += loop.time() - (knocked_at or loop.time())  # time in the line is not its own
        self._incoming.write(self._early)
        self._early.clear()
        try:
            self._tls = self._tls or self._begun()
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert that tells the client
            self._failed(refusal_reason(error))
            self.abort_gently()
        else:
            self._begin()
        return True

    # -- asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._tls
        return self._tcp.get_extra_info(name, default) if self._tcp else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._tcp is not None:
            self._tcp.set_write_buffer_limits(high, low)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._tls is None or not self._shaken or not data:
            return
        with suppress(ssl.SSLError):  # closed for writing already
            self._tls.write(data)
        self._flush()

    def close(self) -> None:
        """With the closing alert, so that the client knows that nothing was cut off."""
        if self._tls is not None and self._shaken:
            with suppress(ssl.SSLError):  # it wants to read the client's alert, for which nobody waits
                self._tls.unwrap()
            self._flush()
        self.abort_gently()

    def abort_gently(self) -> None:
        """Ends the TCP connection when what was written has left."""
        if self._tcp is not None:
            self._tcp.close()

    def abort(self) -> None:
        if self._tcp is not None:
            self._tcp.abort()

    def is_closing(self) -> bool:
        return self._tcp is None or self._tcp.is_closing()

    def is_reading(self) -> bool:
        return self._tcp is not None and not self._paused

    def pause_reading(self) -> None:
        self._paused = True
        if self._tcp is not None and self._tcp.is_reading():
            self._tcp.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._tcp is not None and not self._tcp.is_closing():
            self._tcp.resume_reading()
            self._socket.loop.call_soon(self._deliver)

    # -- inside

    def _says_something(self) -> bool:
        """A whole record, or what never becomes one: steps are not spent on crumbs."""
        if self._early[0] != _HANDSHAKE and self._tls is None:
            return True
        return len(self._early) >= _RECORD_HEADER + int.from_bytes(self._early[3:_RECORD_HEADER])

    def _begun(self) -> Handshake:
        return cast(Handshake, self._context.wrap_bio(self._incoming, self._outgoing, server_side=True))

    def _begin(self) -> None:
        """The handshake is over; the request may have come with its end."""
        assert self._tls is not None
        self._tls.context, self._tls.message, self._shaken = _QUIET, b"", True
        self._socket.heard_at = self._socket.loop.time()
        self._flush()
        self._deliver()

    def _failed(self, reason: str) -> None:
        peer = self.get_extra_info("peername")
        claimed, self._tls = (self._tls.claimed if self._tls else None), None
        self._tell(reason, claimed, peer[0] if peer else None)

    def _deliver(self) -> None:
        """Hands on what can be read, until the socket wants no more for now."""
        try:
            while self._tls is not None and not self._paused:
                data = self._tls.read(_CHUNK)
                if not data:  # the client's closing alert
                    self._socket.eof_received()
                    return self.close()
                self._socket.data_received(data)
        except ssl.SSLWantReadError:
            self._flush()  # a change of keys wants an answer
        except ssl.SSLError:
            self.abort()

    def _flush(self) -> None:
        if self._outgoing.pending and self._tcp is not None:
            self._answered = True
            self._tcp.write(self._outgoing.read())
