"""A small platform behind the real application: two CPOs, their people, places, machines and sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.api.application import create_app, equip
from backend.database import SYSTEM, DirectDatabase, Scope
from backend.domain.files import FileRules
from backend.domain.roles import belongs_to_cpo
from backend.gateways.storage import DirectoryStorage
from backend.services.directory import Directory, build_directory

SECRET = "a secret of the tests, long enough"
RULES = FileRules("http://files.test", firmware_limit=400_000, log_limit=300_000)
NOBODY_KEY = "uniev_nobody_has_this_key"
NOW = datetime.now(UTC).replace(microsecond=0)
THEN = NOW.isoformat()
EVIDENCE = {"rated_power_w": 60_000, "limit_wh": 69_300, "meter_energy_wh": 10_000, "readings": 0, "closed_by_us": None,
            "stop_claimed_at": THEN, "start_received_at": THEN, "stop_received_at": THEN, "clock_lag_s": None,
            "falls": [], "jumps": [], "longest_gap": None, "overlaps": []}  # fmt: skip
PROPOSAL = {"decision": "approve", "energy_wh": 10_000, "started_at": THEN, "stopped_at": THEN, "method": "meter"}


@dataclass
class Tenant:
    """Identifiers of one CPO and of what it owns."""

    cpo_id: str
    station_id: str
    charger_id: str
    session_id: str
    transaction_id: int
    token_id: str
    user_id: str
    key_id: str
    command_id: str
    template_id: str
    reservation_id: str = ""
    profile_id: str = ""
    file_id: str = ""
    firmware_job_id: str = ""
    log_job_id: str = ""
    certificate_id: str = ""
    campaign_id: str = ""
    driver_id: str = ""
    document_id: str = ""


@dataclass
class World:
    """The application, its database, and clients of every role (`own` is the CPO of the tenant roles)."""

    app: FastAPI
    database: DirectDatabase
    services: Directory
    own: Tenant
    other: Tenant
    _stack: AsyncExitStack
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def scope(self, role: str) -> Scope:
        """The scope of a person with this role."""
        cpo_id = self.own.cpo_id if belongs_to_cpo(role) else None
        return Scope(role, self.own.user_id, cpo_id)

    async def client(self, role: str | None) -> httpx.AsyncClient:
        """A client with the token of this role; None: without credentials."""
        key = role or ""
        if key not in self._clients:
            transport = httpx.ASGITransport(app=self.app)
            opened = httpx.AsyncClient(transport=transport, base_url="http://api.test")
            if role:
                token = self.services.people.tokens.access(self.scope(role), f"Person {role}")
                opened.headers["Authorization"] = f"Bearer {token}"
            self._clients[key] = await self._stack.enter_async_context(opened)
        return self._clients[key]

    async def connect(self, charger_id: str) -> None:
        """Opens a connection of the charger, as the OCPP server records it."""
        await self.database.call(
            "beat_node", {"p_node": "node-1", "p_started": False, "p_stats": {"log_dropped": 3}}, scope=SYSTEM
        )
        row = {
            "charger_id": charger_id,
            "connection_id": "11111111-1111-4111-8111-111111111111",
            "node": "node-1",
            "protocol": "ocpp1.6",
            "remote_address": "192.0.2.1",
            "at": datetime.now(UTC).isoformat(),
        }
        await self.database.call("intake", {"p_connects": [row]}, scope=SYSTEM)

    async def add(self, table: str, **row: Any) -> dict[str, Any]:
        """Puts one row into a table, as the platform."""
        rows = await self.database.insert(table, [row], scope=SYSTEM)
        return rows[0]

    async def add_session(self, tenant: Tenant, **changes: Any) -> dict[str, Any]:
        """A finished session of 10 kWh two hours ago, with changes."""
        row = {
            "cpo_id": tenant.cpo_id,
            "station_id": tenant.station_id,
            "charger_id": tenant.charger_id,
            "evse_id": 1,
            "connector_id": 1,
            "protocol": "ocpp1.6",
            "id_token": "CARD-1",
            "start_key": f"{tenant.charger_id} {changes!r}",
            "started_at": (NOW - timedelta(hours=2)).isoformat(),
            "start_received_at": (NOW - timedelta(hours=2)).isoformat(),
            "meter_start_wh": 1_000,
            "stopped_at": (NOW - timedelta(hours=1)).isoformat(),
            "meter_stop_wh": 11_000,
            "energy_wh": 10_000,
            "last_register_wh": 11_000,
            "stop_reason": "Local",
        }
        return await self.add("sessions", **{**row, **changes})

    async def running_session(self, tenant: Tenant, **changes: Any) -> dict[str, Any]:
        """A session that runs since half an hour, 5 kWh so far."""
        running = {
            "started_at": (NOW - timedelta(minutes=30)).isoformat(),
            "stopped_at": None,
            "meter_stop_wh": None,
            "energy_wh": None,
            "stop_reason": None,
            "last_register_wh": 6_000,
            "last_power_w": 21_500,
        }
        return await self.add_session(tenant, **{**running, **changes})


@pytest.fixture
async def world(database: DirectDatabase, tmp_path: Path) -> AsyncIterator[World]:
    """The platform with its two CPOs."""
    app = create_app()
    services = build_directory(database, SECRET, storage=DirectoryStorage(tmp_path / "files"), rules=RULES)
    equip(app, services, SECRET)
    own = await _tenant(database, "Nusantara Charge", "ID-JKT01-1")
    other = await _tenant(database, "Borneo Volt", "ID-KTM01-1")
    async with AsyncExitStack() as stack:
        built = World(app, database, services, own, other, stack)
        for tenant in (own, other):
            session = await built.add_session(tenant)
            tenant.session_id, tenant.transaction_id = session["id"], session["transaction_id"]
            review = {"session_id": session["id"], "cpo_id": tenant.cpo_id, "evidence": EVIDENCE, "proposal": PROPOSAL}
            await built.add("session_reviews", **review)
        yield built


async def _tenant(database: DirectDatabase, name: str, charger_id: str) -> Tenant:
    async def add(table: str, **row: Any) -> dict[str, Any]:
        return (await database.insert(table, [row], scope=SYSTEM))[0]

    cpo_id = (await add("cpos", name=name))["id"]
    place = {"city": "Kota", "province": "Prov", "latitude": -6.2, "longitude": 106.8}
    station_id = (await add("stations", cpo_id=cpo_id, name=f"SPKLU {name}", **place))["id"]
    charger = {"id": charger_id, "station_id": station_id, "current_type": "DC", "rated_power_w": 60_000}
    await database.call("register_charger", {"p_charger": charger, "p_connector_count": 2}, scope=SYSTEM)
    token = await add("id_tokens", cpo_id=cpo_id, token=f"CARD-{charger_id}"[:20])
    driver = await _driver(add, cpo_id, token)
    email = f"admin@{charger_id.lower()}.test"
    user = await add("users", cpo_id=cpo_id, email=email, name="Admin", role="cpo_admin", password_hash="x")
    key = await add("api_keys", cpo_id=cpo_id, name="key", prefix="uniev_", key_hash=f"hash of {charger_id}")
    expiry = (NOW + timedelta(hours=1)).isoformat()
    command = await add(
        "commands", cpo_id=cpo_id, charger_id=charger_id, action="ClearCache", payload={}, expires_at=expiry
    )
    reservation = await add(
        "reservations", cpo_id=cpo_id, charger_id=charger_id, reservation_id=1, connector_id=1, id_token="CARD-1",
        expires_at=expiry, status="used",
    )  # fmt: skip
    await add("local_lists", cpo_id=cpo_id, charger_id=charger_id, reported_version=0)
    profile = await add(
        "charging_profiles", cpo_id=cpo_id, wire_id=1, name="Evening", purpose="TxDefaultProfile", stack_level=0,
        kind="Relative", rate_unit="W", periods=[{"start_s": 0, "limit": 7400.0, "phases": None}],
    )  # fmt: skip
    moment = NOW.isoformat()
    await add(
        "alarms", cpo_id=cpo_id, kind="standing", charger_id=charger_id, opened_at=moment, last_seen_at=moment, count=1
    )
    applied = {"email": f"owner@{charger_id.lower()}.test", "contact_name": "Owner", "company": name, "state": "active"}
    await add("cpo_applications", cpo_id=cpo_id, **applied)
    await add(
        "cpo_documents", id=cpo_id, cpo_id=cpo_id, kind="nib", name="nib.pdf", media_type="application/pdf",
        size_bytes=1, sha256="00", content_name="cpo-documents/none",
    )  # fmt: skip
    certificate = await add(
        "certificates", cpo_id=cpo_id, charger_id=charger_id, kind="ChargePointCertificate", state="installed",
        serial_number="1f", not_after=(NOW + timedelta(days=9)).isoformat(),
    )  # fmt: skip
    await add(
        "security_events", cpo_id=cpo_id, charger_id=charger_id, source="charger", type="ResetOrReboot", critical=True,
        reported_at="then", happened_at=moment, received_at=moment,
    )  # fmt: skip
    file = await add(
        "firmware_files", cpo_id=cpo_id, name="fw.bin", version="2", size_bytes=1, sha256="00", content_name=charger_id
    )
    job = {"cpo_id": cpo_id, "charger_id": charger_id, "command_id": command["id"], "deadline_at": expiry}
    update = await add("firmware_jobs", **job, signed=False)
    log = await add("log_jobs", **job, kind="diagnostics")
    campaign = await _fleet_work(add, cpo_id, charger_id)
    template = await add(
        "configuration_templates", cpo_id=cpo_id, name="Standard", settings={"HeartbeatInterval": "60"}
    )
    return Tenant(
        cpo_id, station_id, charger_id, "", 0, token["id"], user["id"], key["id"], command["id"], template["id"],
        reservation["id"], profile["id"], file["id"], update["id"], log["id"],
        certificate_id=certificate["id"], campaign_id=campaign["id"], driver_id=driver["id"], document_id=cpo_id,
    )  # fmt: skip


async def _driver(add: Callable[..., Awaitable[dict[str, Any]]], cpo_id: str, token: dict[str, Any]) -> dict[str, Any]:
    """Somebody who holds the CPO's token and lets it have the contact."""
    driver = await add("drivers", name=f"Driver of {token['token']}", car="Wuling Air ev", battery_wh=26_700)
    of_driver = {"driver_id": driver["id"], "cpo_id": cpo_id}
    await add("driver_cpos", **of_driver)
    long_ago = (NOW - timedelta(days=300)).isoformat()
    await add(
        "driver_tokens", **of_driver, id_token_id=token["id"], token_key=token["token"].lower(), held_since=long_ago
    )
    await add("driver_contacts", driver_id=driver["id"], contact=f"+62 811 {token['token']}")
    said = {"purpose": "contact_sharing", "text_version": "1", "given": True, "method": "paper"}
    await add("driver_consents", driver_id=driver["id"], **said)
    return driver


async def _fleet_work(add: Callable[..., Awaitable[dict[str, Any]]], cpo_id: str, charger_id: str) -> dict[str, Any]:
    """A deviation of the charger, and a campaign, which is returned."""
    seen = {"occurrences": 1, "first_at": NOW.isoformat(), "last_at": NOW.isoformat()}
    await add("charger_quirks", cpo_id=cpo_id, charger_id=charger_id, model=charger_id, quirk="odd_enum", **seen)
    return await add("campaigns", cpo_id=cpo_id, name="Passwords", kind="password_rotation", wave_size=1)
