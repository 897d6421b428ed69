"""A charger without manners: it says exactly what a test tells it, and shows exactly what came back."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

OCPP16 = (Subprotocol("ocpp1.6"),)
ANSWER_WITHIN_S = 15.0

Frame = list[Any]


def iso(moment: datetime) -> str:
    """A time as most chargers write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def energy(at: str, register_wh: object, **members: Any) -> dict[str, Any]:
    """One meter value with one register, by default labelled with nothing."""
    return {"timestamp": at, "sampledValue": [{"value": str(register_wh), **members}]}


class RawCharger:
    """One open WebSocket. `call` sends a CALL and returns the frame that answers it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._numbers = itertools.count(1)

    async def send(self, data: str | bytes | Frame) -> None:
        """A frame as text, bytes (of a text message), or a list to be encoded."""
        if isinstance(data, bytes):
            await self.connection.send(data, text=True)
        else:
            await self.connection.send(data if isinstance(data, str) else json.dumps(data))

    async def receive(self) -> Frame:
        """The next frame; TimeoutError after ANSWER_WITHIN_S."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            frame: Frame = json.loads(await self.connection.recv())
        return frame

    async def call(self, action: str, payload: Any, message_id: Any = None) -> Frame:
        """The answer ([3, …] or [4, …]), which must be the next frame and bear the id."""
        number = message_id if message_id is not None else f"m{next(self._numbers)}"
        await self.send([2, number, action, payload])
        answer = await self.receive()
        assert answer[1] == number, f"{answer} does not answer {number}"
        return answer

    async def result(self, action: str, payload: Any, message_id: Any = None) -> dict[str, Any]:
        """The payload of a CALLRESULT; AssertionError on a CALLERROR."""
        answer = await self.call(action, payload, message_id)
        assert answer[0] == 3, f"{action} was refused: {answer}"
        payload = answer[2]
        assert isinstance(payload, dict)
        return payload

    async def error(self, action: str, payload: Any) -> str:
        """The code of a CALLERROR; AssertionError on a CALLRESULT."""
        answer = await self.call(action, payload)
        assert answer[0] == 4, f"{action} was accepted: {answer}"
        return str(answer[2])

    async def boot(self, **members: Any) -> str:
        """Registration status."""
        answer = await self.result(
            "BootNotification", {"chargePointVendor": "Raw", "chargePointModel": "One", **members}
        )
        return str(answer["status"])

    async def start(self, tag: str = "TAG-1", meter: Any = 1000, at: str | None = None, connector: int = 1) -> int:
        """Transaction id."""
        answer = await self.start_answer(tag, meter, at, connector)
        return int(answer["transactionId"])

    async def start_answer(
        self, tag: str = "TAG-1", meter: Any = 1000, at: str | None = None, connector: int = 1
    ) -> dict[str, Any]:
        """The whole answer to StartTransaction."""
        return await self.result("StartTransaction", start_payload(tag, meter, at, connector))

    async def stop(self, transaction_id: Any, meter: Any = 2000, at: str | None = None, **members: Any) -> Any:
        """The whole answer to StopTransaction."""
        payload = {"transactionId": transaction_id, "meterStop": meter, "timestamp": at or iso(datetime.now(UTC))}
        return await self.result("StopTransaction", payload | members)

    async def meter(self, values: Sequence[dict[str, Any]], connector: int = 1, **members: Any) -> None:
        """MeterValues, which must be accepted. `transactionId` is a member like others."""
        payload = {"connectorId": connector, "meterValue": list(values), **members}
        assert await self.result("MeterValues", payload) == {}

    async def status(self, status: str = "Available", connector: int = 1, **members: Any) -> None:
        """StatusNotification, which must be accepted."""
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status, **members}
        assert await self.result("StatusNotification", payload) == {}

    async def asked(self, action: str) -> tuple[str, dict[str, Any]]:
        """The next frame, which must be the platform's CALL of this action: (message id, payload)."""
        frame = await self.receive()
        assert frame[0] == 2, frame
        assert frame[2] == action, frame
        return frame[1], frame[3]

    async def reply(self, message_id: str, payload: dict[str, Any]) -> None:
        """Answers the platform's CALL."""
        await self.send([3, message_id, payload])


def start_payload(tag: str, meter: Any, at: str | None, connector: int = 1) -> dict[str, Any]:
    """StartTransaction; the time is now unless given."""
    return {"connectorId": connector, "idTag": tag, "meterStart": meter,
            "timestamp": at or iso(datetime.now(UTC))}  # fmt: skip


def basic(identity: str, password: bytes) -> dict[str, str]:
    """The header of HTTP Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(identity.encode() + b":" + password).decode()}


@asynccontextmanager
async def plugged(url: str, **options: Any) -> AsyncIterator[RawCharger]:
    """An open socket at a full URL; `options` are those of `websockets.connect`."""
    settings: dict[str, Any] = {"subprotocols": OCPP16, "proxy": None, "ping_interval": None, "close_timeout": 1}
    async with connect(url, **(settings | options)) as connection:
        yield RawCharger(connection)
