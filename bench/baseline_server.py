"""The baseline: a central system as the `ocpp` package's README shows it, on `websockets`, without storage.

    python bench/baseline_server.py --port 9100

Default options of both packages throughout: asyncio's own loop, schema validation in a thread, compression
and keep-alive pings as `websockets` ships them. Two departures from the README, both in its favour: messages
are not logged, and a charger that closes its socket ends its handler quietly.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, DataTransferStatus, RegistrationStatus

_transaction_ids = itertools.count(1)


def _now() -> str:
    return datetime.now(UTC).isoformat()


class ChargePoint(OcppChargePoint):  # type: ignore[misc]
    """One charger: answers the Core messages, keeps nothing."""

    @on(Action.authorize)  # type: ignore[untyped-decorator]
    def on_authorize(self, **_: Any) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted))

    @on(Action.boot_notification)  # type: ignore[untyped-decorator]
    def on_boot_notification(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification(current_time=_now(), interval=300, status=RegistrationStatus.accepted)

    @on(Action.data_transfer)  # type: ignore[untyped-decorator]
    def on_data_transfer(self, **_: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    @on(Action.heartbeat)  # type: ignore[untyped-decorator]
    def on_heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_now())

    @on(Action.meter_values)  # type: ignore[untyped-decorator]
    def on_meter_values(self, **_: Any) -> call_result.MeterValues:
        return call_result.MeterValues()

    @on(Action.start_transaction)  # type: ignore[untyped-decorator]
    def on_start_transaction(self, **_: Any) -> call_result.StartTransaction:
        return call_result.StartTransaction(
            transaction_id=next(_transaction_ids),
            id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted),
        )

    @on(Action.status_notification)  # type: ignore[untyped-decorator]
    def on_status_notification(self, **_: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on(Action.stop_transaction)  # type: ignore[untyped-decorator]
    def on_stop_transaction(self, **_: Any) -> call_result.StopTransaction:
        return call_result.StopTransaction()


async def on_connect(websocket: websockets.ServerConnection) -> None:
    """One task per charger, as in the README."""
    if not websocket.subprotocol or websocket.request is None:
        await websocket.close()
        return
    charge_point = ChargePoint(websocket.request.path.strip("/"), websocket)
    with contextlib.suppress(websockets.ConnectionClosed):
        await charge_point.start()


async def main(host: str, port: int) -> None:
    """Serve until the process is stopped."""
    async with websockets.serve(on_connect, host, port, subprotocols=[websockets.Subprotocol("ocpp1.6")]):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(main(options.host, options.port))
