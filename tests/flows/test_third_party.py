"""A charge point that nobody here wrote charges at the processes that `make run` starts, and obeys the REST API."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from backend.database import SYSTEM, Database
from tests.flows.processes import Processes, processes
from tests.flows.running import CHARGER, CPO, STATION
from tests.support.tools import require_tool
from tests.support.waiting import eventually_found, wait_until

SCRIPT = Path(__file__).with_name("third_party_charger.js")


async def fill(database: Database) -> None:
    """One CPO with a station, a charger and two tokens."""
    rows: dict[str, list[dict[str, Any]]] = {
        "cpos": [{"id": CPO, "name": "Flows"}],
        "stations": [{"id": STATION, "cpo_id": CPO, "name": "Here"}],
        "chargers": [{"id": CHARGER, "cpo_id": CPO, "station_id": STATION, "rated_power_w": 22_000}],
        "id_tokens": [{"cpo_id": CPO, "token": "TAG-1"}, {"cpo_id": CPO, "token": "APP-1"}],
    }
    for table, row in rows.items():
        await database.insert(table, row, scope=SYSTEM, columns="")


@contextmanager
def third_party(group: Processes) -> Iterator[subprocess.Popen[bytes]]:
    """The foreign charge point, playing SCRIPT; its output goes to a log."""
    command = [str(require_tool("node")), str(require_tool("charge_point")), SCRIPT.name]
    environment = group.environment | {"CHARGE_POINT_URL": f"{group.url}/{CHARGER}"}
    with group.log("charge_point").open("wb") as out:
        process = subprocess.Popen(command, cwd=SCRIPT.parent, env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Client:
    """An integrator with an API key."""

    def __init__(self, api_url: str, key: str) -> None:
        self.http = httpx.AsyncClient(base_url=api_url, headers={"X-API-Key": key}, trust_env=False)

    async def get(self, path: str, **query: Any) -> Any:
        """JSON of a GET that succeeds."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def command(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks a command and waits for its effect."""
        answer = await self.http.post(path, json=body)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        command_id = answer.json()["command"]["id"]

        async def observed() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.get(f"/api/commands/{command_id}")
            return found if found["effect"] == "observed" else None

        done = await eventually_found(observed, f"{path} to have its effect", 30)
        assert done is not None
        return done


async def test_a_third_party_charge_point_completes_sessions_against_the_real_processes() -> None:
    async with processes(fill) as group:
        group.start("ocpp", "api", "worker")
        await group.ready()
        key = next(word for word in group.admin("create-api-key", "--name", "test", "--cpo", "Flows").split()
                   if word.startswith("uniev_"))  # fmt: skip
        client = Client(group.api_url, key)
        with third_party(group) as process:

            async def ended() -> list[dict[str, Any]]:
                assert process.poll() is None, group.log("charge_point").read_text()[-3000:]
                found: list[dict[str, Any]] = (await client.get("/api/sessions", open=False))["items"]
                return found

            [by_card] = await eventually_found(ended, "the session with the card", 30)
            await eventually_found(lambda: state(client, "available"), "the connector is free again", 30)
            remote_start = {"charger_id": CHARGER, "connector_id": 1, "id_token": "APP-1"}
            started = await client.command("/api/client/remote-start", remote_start)
            stopped = await client.command("/api/client/remote-stop", {"session_id": started["effect_session_id"]})
            wait_until(lambda: process.poll() is not None, "the charge point's script ends", 30)
        [by_app, _] = (await client.get("/api/sessions", open=False))["items"]
        detail = await client.get(f"/api/sessions/{by_app['id']}")
        await client.http.aclose()

    assert (by_card["id_token"], by_card["energy_wh"], by_card["stop_reason"]) == ("TAG-1", 8, "Local")
    assert by_app["id"] == started["effect_session_id"] == stopped["effect_session_id"]
    assert (by_app["id_token"], by_app["energy_wh"], by_app["stop_reason"]) == ("APP-1", 12, "Remote")
    assert by_card["review_reasons"] == by_app["review_reasons"] == []
    assert [(row["energy_wh"], row["power_w"]) for row in detail["readings"]] == [(1009, 7200)]


async def state(client: Client, wanted: str) -> bool:
    """Whether the charger's only connector shows this state."""
    connectors = (await client.get("/api/connectors", charger_id=CHARGER))["items"]
    return [connector["state"] for connector in connectors] == [wanted]
