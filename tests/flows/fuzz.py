"""What a broken or hostile charger may send: seeded, so that a failure can be seen again."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
Frame = tuple[int, bytes]  # WebSocket opcode (with FIN), payload
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("Authorize", {"idTag": "TAG-1"}),
    ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"}),
    ("DataTransfer", {"vendorId": "v", "messageId": "m", "data": "{}"}),
    ("Heartbeat", {}),
    ("MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": NOW, "sampledValue": [
        {"value": "5", "context": "Sample.Periodic", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "7000", "measurand": "Power.Active.Import", "unit": "W", "phase": "L1", "location": "Outlet"}]}]}),
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG-1", "meterStart": 5, "timestamp": NOW}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": NOW}),
    ("StopTransaction", {"transactionId": 7, "meterStop": 9, "timestamp": NOW, "idTag": "TAG-1", "reason": "Local",
                         "transactionData": [{"timestamp": NOW, "sampledValue": [{"value": "9"}]}]}),
]  # fmt: skip

STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308, 5e-324, "", " ", "0", "-1",
    "NaN", "1e999999", "9" * 400, "\0", "\\u0000", "\ufeff", "\ud7ff", "\U0001f50c", "é" * 60,
    "'; drop table sessions; --", "../../etc/passwd", "%s%n", "1970-01-01T00:00:00Z", "9999-99-99",
    "+999999-01-01T00:00:00Z", [], {}, [[]], [None],
    {"": None}, {"a": {"b": [1]}}, "x" * 5000, ["x"] * 50, {"transactionId": 1}, "Infinity", "0x10", "1,5", "٣",
]  # fmt: skip
ODD_ACTIONS = ["", "heartbeat", "Reset", "CustomOperation", "FirmwareStatusNotification", "\0"]
SNIPPETS = [
    b"\0", b"\xff", b"\xc3\x28", b'"', b"\\", b"\\u", b"\\ud800", b"[", b"]", b"{", b"}", b",", b":", b"null", b"NaN",
    b"-", b"1e999", b"\xef\xbb\xbf", b"\r\n", b"[" * 1200, b'{"a":' * 1200, b"9" * 300, b"[2,", b"[3,", b"[4,",
]  # fmt: skip


class Fuzz:
    """An endless source of frames. `good` of ten are left whole, so that the depths are reached too."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._ways: list[Callable[[], Frame]] = [
            self._swapped_member, self._swapped_member, self._swapped_member, self._dropped_member, self._odd_head,
            self._odd_head, self._flipped_bits, self._truncated, self._inserted, self._not_a_call, self._noise,
            self._strange_json, self._whole, self._odd_opcode,
        ]  # fmt: skip

    def __iter__(self) -> Iterator[Frame]:
        while True:
            yield self.chance.choice(self._ways)()

    def _call(self, change: Callable[[Any], None] | None = None) -> list[Any]:
        action, payload = self.chance.choice(GOOD)
        copied = json.loads(json.dumps(payload))
        if change:
            change(copied)
        return [2, f"f{self.chance.randrange(10**6)}", action, copied]

    def _places(self, node: Any) -> list[tuple[Any, Any]]:
        """Every (holder, key) inside a payload."""
        inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        return [place for key, value in inside for place in ((node, key), *self._places(value))]

    def _swapped_member(self) -> Frame:
        def change(payload: Any) -> None:
            for holder, key in self.chance.sample(places := self._places(payload), min(len(places), 2)):
                holder[key] = self.chance.choice(STRANGE)
            payload[self.chance.choice(("surplus", "\0", "connectorId", "idTag"))] = self.chance.choice(STRANGE)

        return TEXT, dumped(self._call(change))

    def _dropped_member(self) -> Frame:
        def change(payload: Any) -> None:
            if places := self._places(payload):
                holder, key = self.chance.choice(places)
                del holder[key]

        return TEXT, dumped(self._call(change))

    def _odd_head(self) -> Frame:
        frame = self._call()
        for _ in range(self.chance.randint(1, 2)):
            frame[self.chance.randrange(len(frame))] = self.chance.choice([*STRANGE, *ODD_ACTIONS, 2, 3, 4, 5, 6, "2"])
        if self.chance.random() < 0.3:
            frame = frame[: self.chance.randrange(5)] + [self.chance.choice(STRANGE)] * self.chance.randrange(3)
        return TEXT, dumped(frame)

    def _flipped_bits(self) -> Frame:
        data = bytearray(dumped(self._call()))
        for _ in range(self.chance.randint(1, 8)):
            data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return TEXT, bytes(data)

    def _truncated(self) -> Frame:
        data = dumped(self._call())
        return TEXT, data[: self.chance.randrange(len(data))]

    def _inserted(self) -> Frame:
        data, at = dumped(self._call()), self.chance.randrange(100)
        return TEXT, data[:at] + self.chance.choice(SNIPPETS) + data[at + self.chance.randrange(10) :]

    def _not_a_call(self) -> Frame:
        kind = self.chance.choice((3, 4, 5, 6, 0, -2, 99, "3"))
        return TEXT, dumped([kind, f"f{self.chance.randrange(9)}", *self.chance.choices(STRANGE, k=3)])

    def _noise(self) -> Frame:
        return TEXT, self.chance.randbytes(self.chance.randrange(200))

    def _strange_json(self) -> Frame:
        return TEXT, dumped(self.chance.choice(STRANGE))

    def _whole(self) -> Frame:
        return TEXT, dumped(self._call())

    def _odd_opcode(self) -> Frame:
        return self.chance.choice((BINARY, BINARY, PING, PONG)), dumped(self._call())[:120]

    def fatal(self) -> bytes:
        """Bytes after which a server must or may end the connection."""
        whole = wire((TEXT, dumped(self._call())), self.chance)
        return self.chance.choice((
            lambda: wire((CLOSE, b"\x03\xe8bye"), self.chance),
            lambda: wire((CLOSE, b"\x03"), self.chance),
            lambda: wire((CLOSE, b"\xff\xff\xff"), self.chance),
            lambda: wire((0x83, b"reserved"), self.chance),
            lambda: wire((0xF1, b"reserved bits"), self.chance),
            lambda: wire((0xC1, b"compressed? no"), self.chance),
            lambda: wire((0x09, b"fragmented ping"), self.chance),
            lambda: wire((PING, b"p" * 126), self.chance),
            lambda: wire((0x80, b"continues nothing"), self.chance),
            lambda: bytes((TEXT, 5)) + b"plain",  # not masked
            lambda: bytes((TEXT, 0xFF)) + (2**62).to_bytes(8, "big") + b"mask",
            lambda: bytes((TEXT, 0xFF)) + (2**63 + 5).to_bytes(8, "big") + b"mask",
            lambda: whole[: self.chance.randrange(1, len(whole))],
            lambda: self.chance.randbytes(300),
        ))()  # fmt: skip

    def fragments(self) -> bytes:
        """A message in pieces, with a ping between them; sometimes many empty pieces, or one that never ends."""
        data = dumped(self._call())
        cut = self.chance.randrange(1, len(data))
        middle = wire((0x00, b""), self.chance) * self.chance.choice((0, 1, 300))
        return (wire((0x01, data[:cut]), self.chance) + wire((PING, b"between"), self.chance) + middle
                + wire((0x80, data[cut:]), self.chance))  # fmt: skip

    def handshake(self, identity: str) -> bytes:
        """An HTTP request that is no good handshake."""
        good = [b"GET /" + identity.encode() + b" HTTP/1.1", b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade",
                b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)), b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Protocol: ocpp1.6"]  # fmt: skip
        way = self.chance.randrange(4)
        if way == 0:
            del good[self.chance.randrange(len(good))]
        elif way == 1:
            good[self.chance.randrange(len(good))] = self.chance.randbytes(40).replace(b"\n", b" ")
        elif way == 2:
            good[self.chance.randrange(1, len(good))] = b"X: " + self.chance.choice(SNIPPETS).replace(b"\n", b" ")
        else:
            good = [self.chance.randbytes(500)]
        return b"\r\n".join(good) + b"\r\n\r\n"


def dumped(value: Any) -> bytes:
    """JSON as a charger might write it: NaN and lone surrogates included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def wire(frame: Frame, chance: random.Random) -> bytes:
    """A masked WebSocket frame. A mask of zeros is as good as any and costs nothing."""
    opcode, payload = frame
    size = len(payload)
    length = (bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 65536
              else b"\xff" + size.to_bytes(8, "big"))  # fmt: skip
    if chance.random() < 0.9:
        return bytes((opcode,)) + length + b"\0\0\0\0" + payload
    mask = chance.randbytes(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes((opcode,)) + length + mask + masked
