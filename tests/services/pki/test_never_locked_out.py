"""Whatever gets lost while passwords and profiles change, the charger's own credentials are accepted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.database import SYSTEM, Database
from backend.domain.charger_password import hash_password
from backend.domain.credentials import Known, Proof, Shown, prove
from backend.domain.errors import Conflict
from backend.services.pki.authority import ServerPair
from backend.services.pki.chains import served
from backend.services.pki.signing import describe
from tests.support.authority import Authority
from tests.support.postgrest import PostgREST
from tests.support.stores import TRANSPORTS, open_store

STEPS = ("rotate", "root", "rise", "connect", "vanish", "clock")
FATES = ("lost", "unanswered", "accepted", "rejected")
CPO = "11111111-0000-0000-0000-000000000001"
PORT, FOREIGN = Authority("Of the TLS port"), Authority("Of somebody else")
SERVED = [ServerPair(PORT.pem, "")]


@dataclass
class Machine:
    """A charger: what it has in its memory, and what it will use from its next connection on."""

    id: str
    password: bytes | None = None
    trusts_port: bool = False
    profile: int = 0
    next_profile: int = 0
    commands: list[str] = field(default_factory=list)

    def shown(self) -> Shown:
        """What it comes with."""
        password = self.password if self.profile > 0 else None
        return Shown(tls=self.profile >= 2, password=password)


class Bench:
    """The platform's SQL functions, called as the servers call them."""

    def __init__(self, store: Database) -> None:
        self.store = store

    async def call(self, function: str, **arguments: Any) -> Any:
        """An SQL function."""
        return await self.store.call(function, arguments, scope=SYSTEM)

    async def play(self, steps: list[tuple[str, str]]) -> int:
        """Plays one life of a charger; after each step it must be let in. Returns its profile."""
        machine = Machine(f"M-{uuid4().hex[:12]}")
        await self.store.insert("chargers", [{"id": machine.id, "cpo_id": CPO}], scope=SYSTEM, columns="id")
        await self.installed(machine, FOREIGN)
        for step, fate in steps:
            await self.step(machine, step, fate)
            await self.let_in(machine)
        return machine.profile

    async def step(self, machine: Machine, step: str, fate: str) -> None:
        """One thing that happens."""
        await self.call("beat_node", p_node="n", p_started=True,
                        p_stats={"tls_port": 1, "tls_certificates": served(SERVED, "")})  # fmt: skip
        if step == "rotate":
            await self.ask(machine, {"key": "AuthorizationKey", "value": "***"}, fate)
        elif step == "root":
            await self.installed(machine, PORT)
            machine.trusts_port = True
        elif step == "rise" and machine.next_profile < 2:
            await self.rise(machine, machine.next_profile + 1, fate)
        elif step == "connect":
            machine.profile = machine.next_profile
            await self.connected(machine, await self.let_in(machine))
        elif step == "vanish":  # it reconnects, and is gone before the platform noted it
            machine.profile = machine.next_profile
        elif step == "clock":
            await self.call("keep_security", p_renewal_days=30, p_profile_s=0)

    async def ask(self, machine: Machine, payload: dict[str, str], fate: str) -> None:
        """A ChangeConfiguration."""
        command = await self.call("enqueue_command", p_charger_id=machine.id, p_action="ChangeConfiguration",
                                  p_payload=payload, p_idempotency_key=None, p_queue=True, p_expires_in_s=60,
                                  p_requested_by_name="test")  # fmt: skip
        await self.deliver(machine, command, payload, fate)

    async def rise(self, machine: Machine, profile: int, fate: str) -> None:
        """The way up, as far as the platform sees no obstacle."""
        with suppress(Conflict):
            command = await self.call("raise_security_profile", p_charger_id=machine.id, p_profile=profile,
                                      p_idempotency_key=uuid4().hex, p_queue=True, p_expires_in_s=60,
                                      p_requested_by_name="test")  # fmt: skip
            await self.deliver(machine, command, command["payload"], fate)

    async def installed(self, machine: Machine, authority: Authority) -> None:
        """The charger has this root."""
        row = describe("CentralSystemRootCertificate", authority.certificate)
        await self.call("keep_certificate", p_charger_id=machine.id, p_certificate=row, p_state="installed",
                        p_command_id=str(uuid4()))  # fmt: skip

    async def deliver(self, machine: Machine, command: dict[str, Any], payload: dict[str, str], fate: str) -> None:
        """What becomes of a command on the way."""
        sent = {"status": "sent", "sent_at": datetime.now(UTC).isoformat()}
        await self.store.update("commands", sent, scope=SYSTEM, where=[("id", "eq", command["id"])], columns="id")
        password = secrets.token_bytes(20)
        if payload["key"] == "AuthorizationKey":
            assert await self.call(
                "expect_password", p_command_id=command["id"], p_password_hash=hash_password(password)
            )
        if fate in ("accepted", "unanswered"):
            if payload["key"] == "AuthorizationKey":
                machine.password = password
            else:
                machine.next_profile = int(payload["value"])
        status = {"lost": "failed", "unanswered": "timed_out"}.get(fate, fate)
        await self.call("settle_command", p_id=command["id"], p_status=status, p_response=None,
                        p_error_code=None, p_error_description=None, p_expects_effect=False)  # fmt: skip

    async def let_in(self, machine: Machine) -> Proof:
        """What the gate decides; raises NotProven if the charger is locked out, which it is, too, if it cannot verify
        the TLS port that it is to come by."""
        assert machine.trusts_port or machine.next_profile < 2
        answer = await self.call("intake", p_gates=[{"charger_id": machine.id}])
        [facts] = answer["gates"]
        known = Known(facts["security_profile"], facts["password_hash"], facts["pending_hashes"])
        return prove(machine.id, known, machine.shown())

    async def connected(self, machine: Machine, proof: Proof) -> None:
        """The platform notes the socket."""
        row = {"charger_id": machine.id, "connection_id": str(uuid4()), "node": "n", "protocol": "ocpp1.6",
               "remote_address": None, "at": datetime.now(UTC).isoformat(), "security_profile": proof.profile,
               "password_hash": proof.password_hash, "certificate_id": None}  # fmt: skip
        await self.call("intake", p_connects=[row])


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples."""
    with asyncio.Runner() as opened:
        yield opened


@pytest.mark.parametrize("transport", TRANSPORTS)
@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(FATES)), min_size=3, max_size=14))
def test_at_every_step_the_charger_is_let_in(
    transport: str, dsn: str, postgrest: PostgREST, runner: asyncio.Runner, steps: list[tuple[str, str]]
) -> None:
    async def live() -> int:
        async with opened(transport, dsn, postgrest) as bench:
            return await bench.play(steps)

    assert 0 <= runner.run(live()) <= 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_whole_way_up_ends_at_profile_2_with_one_password(
    transport: str, dsn: str, postgrest: PostgREST, runner: asyncio.Runner
) -> None:
    way = [("root", ""), ("rotate", "lost"), ("rotate", "unanswered"), ("rotate", "rejected"), ("rise", "refused"),
           ("rotate", "accepted"), ("rise", "unanswered"), ("connect", ""), ("rotate", "accepted"),
           ("rise", "accepted"), ("clock", ""), ("connect", "")]  # fmt: skip

    async def live() -> tuple[int, list[dict[str, Any]]]:
        async with opened(transport, dsn, postgrest) as bench:
            profile = await bench.play(way)
            return profile, await bench.store.select("charger_keys", scope=SYSTEM)

    profile, keys = runner.run(live())
    assert profile == 2
    assert keys == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_charger_with_the_root_of_somebody_else_was_sent_to_a_port_that_it_cannot_verify(
    transport: str, dsn: str, postgrest: PostgREST, runner: asyncio.Runner
) -> None:
    way = [("rotate", "accepted"), ("rise", "accepted"), ("connect", ""), ("rise", "accepted"), ("connect", "")]

    async def live() -> int:
        async with opened(transport, dsn, postgrest) as bench:
            return await bench.play(way)

    assert runner.run(live()) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_password_that_arrived_makes_no_room_for_many_that_were_lost(
    transport: str, dsn: str, postgrest: PostgREST, runner: asyncio.Runner
) -> None:
    lost = [("rotate", "lost")] * 25
    way = [("rotate", "accepted"), ("rise", "accepted"), ("connect", ""), ("rotate", "unanswered"), *lost,
           ("vanish", ""), ("connect", ""), *lost]  # fmt: skip

    async def live() -> list[dict[str, Any]]:
        async with opened(transport, dsn, postgrest) as bench:
            await bench.play(way)
            return await bench.store.select("charger_keys", scope=SYSTEM)

    assert len(runner.run(live())) == 25  # any of those sent since it came may have arrived; none of those before


class opened:
    """A bench over one transport, with its CPO."""

    def __init__(self, transport: str, dsn: str, postgrest: PostgREST) -> None:
        self.dsn = dsn
        self.store = open_store(transport, dsn, postgrest)

    async def __aenter__(self) -> Bench:
        connection = await asyncpg.connect(self.dsn)
        await connection.execute("insert into public.cpos (id, name) values ($1, 'C') on conflict do nothing", CPO)
        await connection.close()
        return Bench(await self.store.__aenter__())

    async def __aexit__(self, *error: Any) -> None:
        await self.store.__aexit__(*error)
