"""The transport repeats a call whose answer was lost with the connection: what was done then is done once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from backend.database import SYSTEM, DirectDatabase, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Unauthenticated
from backend.domain.onboarding import Step
from backend.services.applications import Registration
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from tests.support.relay import Relay

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
CHARGER = {"id": "CP-1", "current_type": "AC", "rated_power_w": 22_000}


@pytest.fixture
async def relay(dsn: str) -> AsyncIterator[Relay]:
    async with Relay.to(dsn) as relay:
        yield relay


@pytest.fixture
async def services(relay: Relay) -> AsyncIterator[Directory]:
    database = await DirectDatabase.open(relay.dsn)
    yield build_directory(database, "a secret of the tests, long enough")
    await database.close()


async def station(services: Directory) -> str:
    """A station of a new CPO."""
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    return (await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)).id


async def test_a_registration_whose_answer_was_lost_is_no_conflict_with_itself(
    services: Directory, relay: Relay
) -> None:
    values = {**CHARGER, "station_id": await station(services)}
    relay.lose_commit_of = b"p_connector_count"

    charger = await services.chargers.create(ADMIN, values, 2, "0123456789abcdef")

    assert relay.lose_commit_of is None
    assert (charger.id, charger.connector_count) == ("CP-1", 2)
    with pytest.raises(Conflict) as taken:
        await services.chargers.create(ADMIN, values, 2, "0123456789abcdef")
    assert taken.value.code == "charger_exists"


async def test_a_command_whose_answer_was_lost_is_asked_once(
    services: Directory, relay: Relay, database: DirectDatabase
) -> None:
    await services.chargers.create(ADMIN, {**CHARGER, "station_id": await station(services)}, 1, None)
    relay.lose_commit_of = b"p_idempotency_key"

    command = await services.commands.enqueue(ADMIN, "CP-1", "Reset", {"type": "Hard"}, Delivery(queue=True))

    assert relay.lose_commit_of is None
    assert [row["id"] for row in await database.select("commands", scope=SYSTEM)] == [command.id]
    again = await services.commands.enqueue(ADMIN, "CP-1", "Reset", {"type": "Hard"}, Delivery(queue=True))
    assert again.id != command.id


async def test_a_code_that_was_right_is_not_wrong_because_the_answer_was_lost(
    services: Directory, relay: Relay, database: DirectDatabase
) -> None:
    desk = services.desk.applications
    relay.lose_commit_of = b"p_most"
    await desk.register(Registration("sari@x.test", "Borneo Cas", "Sari", "en"))
    (mail,) = await services.mails.waiting()
    code = re.search(r"^ +(\d{6})$", mail.letter.body, re.M)
    assert code and relay.lose_commit_of is None
    relay.lose_commit_of = b"p_token_hash"

    token = await desk.prove("sari@x.test", code[1])

    assert relay.lose_commit_of is None
    assert (await desk.recognise(token)).email == "sari@x.test"
    with pytest.raises(Unauthenticated):
        await desk.prove("sari@x.test", code[1])


async def test_a_cpo_whose_suspension_was_answered_into_the_void_is_suspended_once(
    services: Directory, relay: Relay, database: DirectDatabase
) -> None:
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    relay.lose_commit_of = b"p_mails"

    await services.desk.onboarding.change_standing(ADMIN, cpo.id, Step.SUSPEND, "why")

    assert relay.lose_commit_of is None
    steps = await database.select("cpo_steps", scope=SYSTEM, where=[("cpo_id", "eq", cpo.id)])
    assert [step["state"] for step in steps] == ["suspended"]
