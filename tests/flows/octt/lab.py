"""Both sides of a certification case: a charger of the simulator, and the platform as its REST API tells it.

Steps are those of the standard; what the platform put on the wire is read from the charger's own frames.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from backend.api.application import create_app, equip
from backend.database import SYSTEM, DirectDatabase, Scope
from backend.services.directory import build_directory
from backend.settings import load_settings
from simulator import ChargerSpec, LinkOptions, SimulatedCharger, StepClock
from tests.flows.running import CPO
from tests.flows.secured import Secured, secured
from tests.support.waiting import eventually, eventually_found

SECRET = "0123456789abcdef0123456789abcdef"
PAST = timedelta(hours=2)
"""How long ago a charger's clock begins, so that a case may let time pass without reaching the future."""

Json = dict[str, Any]


def present() -> StepClock:
    """A clock for cases in which the platform compares what happens with the time of its own request."""
    return StepClock(datetime.now(UTC).replace(microsecond=0))


class Station:
    """One charger on the bench. `tag`, `other_tag` are accepted by its CPO and used by nobody else."""

    def __init__(self, lab: Lab, charger: SimulatedCharger, number: int) -> None:
        self.lab, self.charger, self.id = lab, charger, charger.identity
        self.tag, self.other_tag, self.group = f"A{number}", f"B{number}", f"G{number}"

    # -- the wire, by the charger's own frames

    def sent(self, action: str) -> list[Json]:
        """Payloads of the platform's calls of this action, in order."""
        frames = (json.loads(row.text) for row in self.charger.books.frames if row.direction == "in")
        return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]

    def said(self, action: str) -> list[tuple[Json, Json | None]]:
        """The charger's calls of this action with the platform's answers (None: none, or a CALLERROR)."""
        frames = [json.loads(row.text) for row in self.charger.books.frames if row.text.startswith("[")]
        answers = {frame[1]: frame[2] for frame in frames if frame[0] == 3}
        return [(frame[3], answers.get(frame[1])) for frame in frames if frame[0] == 2 and frame[2] == action]

    def order(self, *actions: str) -> list[str]:
        """The charger's calls of these actions, as they left."""
        frames = [json.loads(row.text) for row in self.charger.books.frames if row.direction == "out"]
        return [frame[2] for frame in frames if frame[0] == 2 and frame[2] in actions]

    def told(self, action: str, member: str = "status") -> list[Any]:
        """One member of the charger's calls of this action, in order; every one of them was answered."""
        calls = self.said(action)
        assert all(answer is not None for _payload, answer in calls), calls
        return [payload[member] for payload, _answer in calls]

    async def until(self, true: Callable[[], object], what: str) -> None:
        """Waits for something that shows at the charger."""
        await eventually(lambda: bool(true()), what)

    async def until_told(self, action: str, *wanted: Any, member: str = "status") -> None:
        """Waits until the last calls of this action carried these values, and were answered."""

        def ended() -> bool:
            calls = self.said(action)
            values = tuple(payload.get(member) for payload, _answer in calls[-len(wanted) :])
            return values == wanted and calls[-1][1] is not None

        await eventually(ended, f"{action} {wanted}")

    # -- the platform, by REST

    async def get(self, path: str, **query: Any) -> Any:
        """A document of the API."""
        answer = await self.lab.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, action: str, payload: Json | None = None, **query: Any) -> Json:
        """Asks for a command (202) and returns it once the charger has answered, or will not."""
        answer = await self.lab.api.post(f"/api/chargers/{self.id}/commands/{action}", json=payload or {}, params=query)
        assert answer.status_code == 202, answer.text
        command_id = answer.json()["command"]["id"]
        return await self.command(command_id, lambda row: row["status"] not in {"queued", "sent"})

    async def expect(self, action: str, payload: Json, answer: Json) -> Json:
        """The same, with this answer; what went over the wire is what was asked for."""
        command = await self.ask(action, payload)
        assert command["response"] == answer, command
        assert command["status"] == ("accepted" if _is_yes(answer) else "rejected")
        assert self.sent(action)[-1] == payload
        return command

    async def command(self, command_id: str, holds: Callable[[Json], bool]) -> Json:
        """A command, once something holds of it."""

        async def look() -> Json | None:
            row: Json = await self.get(f"/api/commands/{command_id}")
            return row if holds(row) else None

        return await eventually_found(look, f"command {command_id}") or {}

    async def do(self, path: str, body: Json | None = None) -> Json:
        """Asks for something about this charger by a route of its own (202); the command, once it was answered."""
        answer = await self.lab.api.post(f"/api/chargers/{self.id}/{path}", json=body or {})
        assert answer.status_code == 202, answer.text
        command_id = answer.json()["command"]["id"]
        return await self.command(command_id, lambda row: row["status"] not in {"queued", "sent"})

    async def security(self, holds: Callable[[Json], object]) -> Json:
        """What the platform tells of its security, once something holds of it; the worker works meanwhile."""

        async def look() -> Json | None:
            await self.lab.site.work()
            row: Json = await self.get(f"/api/chargers/{self.id}/security")
            return row if holds(row) else None

        return await eventually_found(look, f"the security of {self.id}") or {}

    async def observed(self, command: Json) -> Json:
        """The command, once its effect was seen."""
        return await self.command(command["id"], lambda row: row["effect"] == "observed")

    async def sessions(self) -> list[Json]:
        """The charger's sessions as the platform has them, newest first."""
        found = await self.get("/api/sessions", charger_id=self.id)
        return list(found["items"])

    async def session(self) -> Json:
        """Its only session."""
        [row] = await self.sessions()
        return row

    async def state(self, connector_id: int = 1) -> str:
        """What the platform shows of a connector."""
        found = await self.get("/api/connectors", charger_id=self.id)
        return next(str(row["state"]) for row in found["items"] if row["evse_id"] == connector_id)

    async def until_logged(self, action: str) -> None:
        """Waits until the platform's message log shows a message of this action."""

        async def look() -> bool:
            found = await self.get(f"/api/chargers/{self.id}/messages", limit=50)
            return any(row["action"] == action for row in found["items"])

        await eventually_found(look, f"{action} in the message log")

    async def until_state(self, wanted: str, connector_id: int = 1) -> None:
        """Waits until the platform shows a connector in this state."""

        async def look() -> bool:
            return await self.state(connector_id) == wanted

        await eventually_found(look, f"connector {connector_id} {wanted}")

    # -- what many cases begin or end with

    async def begin(self, connector_id: int = 1) -> int:
        """A car, a tag, a session; its transaction id."""
        await self.charger.plug_in(connector_id)
        assert await self.charger.tap(connector_id, self.tag) == "Accepted"
        transaction_id = self.charger.books.last.transaction_id
        assert transaction_id
        return transaction_id

    async def assert_billed(self, reason: str) -> Json:
        """The platform's session is the charger's: token, registers, energy, end."""
        booked, row = self.charger.books.last, await self.session()
        assert row["transaction_id"] == booked.transaction_id
        assert (row["id_token"], row["open"], row["stop_reason"]) == (booked.id_token, False, reason)
        assert (row["meter_start_wh"], row["meter_stop_wh"]) == (booked.meter_start_wh, booked.meter_stop_wh)
        assert row["energy_wh"] == booked.energy_wh
        return row


def _is_yes(answer: Json) -> bool:
    return answer.get("status", "Accepted") in {
        "Accepted",
        "AcceptedCanceled",
        "Scheduled",
        "Unlocked",
        "RebootRequired",
    }


class Lab:
    """A running platform. `api` is logged in as the CPO's administrator; `site` knows its authority and its worker."""

    def __init__(self, site: Secured, api: httpx.AsyncClient) -> None:
        self.site, self.platform, self.api = site, site.platform, api
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def station(
        self,
        *,
        connectors: int = 1,
        boots: bool = True,
        clock: StepClock | None = None,
        spec: ChargerSpec | None = None,
        password: bytes | None = None,
        link: LinkOptions | None = None,
        identity: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Station]:
        """A charger, booted unless told otherwise; registered unless `identity` names one that is already.

        `options` are those of SimulatedCharger, `link` those of its connection.
        """
        number = next(self._numbers)
        identity = identity or await self.platform.register(f"TC-{number:03d}", password=password)
        station_spec = spec or ChargerSpec("AC", 22_000, connectors)
        clock = clock or StepClock(datetime.now(UTC).replace(microsecond=0) - PAST)
        options["options"] = replace(link or LinkOptions(), secure_url=self.secure_url)
        given = {"password": password, **options}
        charger = SimulatedCharger(self.platform.url, identity, spec=station_spec, clock=clock, **given)
        async with charger:
            station = Station(self, charger, number)
            await self.platform.token(station.tag, parent_token=station.group)
            await self.platform.token(station.other_tag, parent_token=station.group)
            if boots:
                assert await charger.boot() == "Accepted"
                await self.connected(identity)
            yield station

    @property
    def secure_url(self) -> str:
        """Where chargers connect over TLS."""
        return f"wss://localhost:{self.platform.server.tls_port}"

    async def root(self) -> Path:
        """The platform's root certificate as a file, as an installer brings it."""
        path = self.site.folder / "root.pem"
        answer = await self.api.get("/api/certificate-authority")
        path.write_text(answer.text)
        return path

    async def connected(self, identity: str) -> None:
        """Returns when the platform knows that the charger is connected."""
        await self.platform.until(
            "select 1 from public.connections where charger_id = $1 and disconnected_at is null", identity
        )


@asynccontextmanager
async def laboratory(database: DirectDatabase, dsn: str, folder: Path) -> AsyncIterator[Lab]:
    """Server, API and database."""
    settings = load_settings(
        _env_file=None, database_url=dsn, data_dir=folder, secret_key_given=SECRET, demo=False,
        ocpp_host="127.0.0.1", ocpp_port=0, api_port=0,
    )  # fmt: skip
    app = create_app()
    directory = build_directory(database, SECRET)
    equip(app, directory, SECRET)
    async with secured(database, settings, dsn, folder) as site:
        user = await _administrator(database)
        token = directory.people.tokens.access(Scope("cpo_admin", user, CPO), "Certification")
        headers = {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as api:
            yield Lab(site, api)


async def _administrator(database: DirectDatabase) -> str:
    row = {"cpo_id": CPO, "email": "admin@flows.test", "name": "Admin", "role": "cpo_admin", "password_hash": "x"}
    [user] = await database.insert("users", [row], scope=SYSTEM)
    return str(user["id"])
