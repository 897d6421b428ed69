"""What is judged and decided, over both transports: exact facts, one judgement per state of facts, one audit row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.domain.plausibility import Decision, Point, Reason
from backend.services.judging import Judge, read_facts
from backend.services.records import PageRequest
from backend.services.reviews import ReviewFilter, Reviews, Ruling
from backend.services.sessions import BillingState

CPO, OTHER = "11111111-0000-0000-0000-000000000001", "11111111-0000-0000-0000-000000000002"
STATION, PERSON = "22222222-0000-0000-0000-000000000001", "33333333-0000-0000-0000-000000000001"
BEGIN = datetime(2026, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADMIN = Caller(Scope("cpo_admin", PERSON, CPO), "Admin", "request-1")


@pytest.fixture
async def place(store: Database) -> Database:
    """A CPO with a charger of 22 kW, and another CPO."""
    await store.insert("cpos", [{"id": CPO, "name": "A"}, {"id": OTHER, "name": "B"}], scope=SYSTEM, columns="id")
    await store.insert("stations", [{"id": STATION, "cpo_id": CPO, "name": "S"}], scope=SYSTEM, columns="id")
    charger = {"id": "CP-1", "cpo_id": CPO, "station_id": STATION, "rated_power_w": 22_000}
    await store.insert("chargers", [charger], scope=SYSTEM, columns="id")
    return store


async def ended(store: Database, **changes: Any) -> str:
    """An hour that charged 10 kWh, with changes; its id."""
    row = {
        "cpo_id": CPO, "station_id": STATION, "charger_id": "CP-1", "evse_id": 1, "connector_id": 1,
        "protocol": "ocpp1.6", "id_token": "T", "start_key": repr(changes), "started_at": BEGIN.isoformat(),
        "start_received_at": (BEGIN + timedelta(seconds=1)).isoformat(), "meter_start_wh": 5000,
        "stopped_at": (BEGIN + HOUR).isoformat(), "stop_received_at": (BEGIN + HOUR * 1.001).isoformat(),
        "meter_stop_wh": 15_000, "energy_wh": 10_000, "last_register_wh": 15_000,
    }  # fmt: skip
    [made] = await store.insert("sessions", [{**row, **changes}], scope=SYSTEM, columns="id")
    return str(made["id"])


async def odd(store: Database) -> str:
    """A session that is held: the odometer was taken as zero."""
    session_id = await ended(store, meter_start_wh=0, meter_stop_wh=910_000, energy_wh=910_000)
    await Judge(store, 7200).judge()
    return session_id


async def state(store: Database, session_id: str) -> dict[str, Any]:
    [row] = await store.select("session_details", scope=SYSTEM, where=[("id", "eq", session_id)])
    return row


async def test_facts_arrive_exact(place: Database) -> None:
    session_id = await ended(place, meter_start_wh="123456789012.345", meter_stop_wh="123456789013.001")
    reading = {"cpo_id": CPO, "charger_id": "CP-1", "evse_id": 1, "connector_id": 1, "session_id": session_id,
               "received_at": BEGIN.isoformat()}  # fmt: skip
    at = BEGIN + timedelta(microseconds=1)
    rows = [{**reading, "measured_at": (BEGIN + HOUR).isoformat(), "energy_wh": None, "digest": 1},
            {**reading, "measured_at": at.isoformat(), "energy_wh": "123456789012.999", "digest": 2}]  # fmt: skip
    await place.insert("meter_values", rows, scope=SYSTEM, columns="digest")
    [row] = await place.call("sessions_to_judge", {"p_limit": 10, "p_points": 100}, scope=SYSTEM)
    facts = read_facts(row)

    assert facts.meter_stop_wh - facts.meter_start_wh == Decimal("0.656")
    assert facts.points == (Point(at, Decimal("123456789012.999")), Point(BEGIN + HOUR, None))
    assert (facts.started_at, facts.stop_claimed_at, facts.rated_power_w) == (BEGIN, BEGIN + HOUR, 22_000)


async def test_many_readings_are_thinned_and_keep_first_and_last(place: Database) -> None:
    session_id = await ended(place)
    rows = [{"charger_id": "CP-1", "evse_id": 1, "connector_id": 1, "session_id": session_id, "digest": n,
             "measured_at": (BEGIN + n * timedelta(seconds=3)).isoformat(), "received_at": BEGIN.isoformat(),
             "energy_wh": 5000 + n} for n in range(1000)]  # fmt: skip
    await place.insert("meter_values", rows, scope=SYSTEM, columns="digest")
    [row] = await place.call("sessions_to_judge", {"p_limit": 10, "p_points": 100}, scope=SYSTEM)
    registers = [Decimal(wh) for _, wh in row["points"]]

    assert len(registers) <= 101
    assert (registers[0], registers[-1]) == (5000, 5999)


async def test_every_ended_session_is_judged_once_whatever_their_number(place: Database) -> None:
    for number in range(7):
        await ended(place, evse_id=number + 1, meter_stop_wh=5000 if number % 2 else 4000)
    assert await Judge(place, 7200).judge() == 7
    assert await Judge(place, 7200).judge() == 0
    rows = await place.select("sessions", scope=SYSTEM, columns="billing_state", order=[("evse_id", "asc")])
    assert [row["billing_state"] for row in rows] == ["held", "ok"] * 3 + ["held"]


async def test_a_judgement_of_older_facts_is_passed_over(place: Database) -> None:
    session_id = await ended(place)
    verdict = {"session_id": session_id, "revision": 0, "verdict": "ok", "reasons": [], "evidence": {}, "proposal": {}}
    await place.update("sessions", {"revision": 1}, scope=SYSTEM, where=[("id", "eq", session_id)], columns="id")

    assert await place.call("settle_judgements", {"p_rows": [verdict]}, scope=SYSTEM) == 0
    assert await place.call("settle_judgements", {"p_rows": [{**verdict, "revision": 1}]}, scope=SYSTEM) == 1
    assert (await state(place, session_id))["plausibility"] == ["ok"]


async def test_a_decision_is_stored_once_with_who_and_what_before_and_after(place: Database) -> None:
    session_id = await odd(place)
    ruling = Ruling(Decision.CORRECT, "odometer", Decimal("8500.125"), revision=0)
    reviews = Reviews(place)
    for _ in range(2):
        decided = await reviews.decide(ADMIN, session_id, ruling)
    assert (decided.billing_state, decided.billable_energy_wh, decided.decided_by_name) == (
        "corrected",
        8500.125,
        "Admin",
    )
    assert (decided.energy_wh, decided.meter_stop_wh) == (910_000, 910_000)
    [audit] = await place.select("audit_log", scope=SYSTEM, where=[("object_id", "eq", session_id)])
    assert (audit["action"], audit["actor_id"], audit["actor_role"]) == ("session.correct", PERSON, "cpo_admin")
    assert (audit["before"]["billing_state"], audit["before"]["billable_energy_wh"]) == ("held", None)
    assert (audit["after"]["billable_energy_wh"], audit["after"]["reason"]) == (8500.125, "odometer")
    assert audit["request_id"] == "request-1"


async def test_a_decision_may_be_replaced_but_not_by_one_who_saw_an_older_state(place: Database) -> None:
    session_id = await odd(place)
    reviews = Reviews(place)
    await reviews.decide(ADMIN, session_id, Ruling(Decision.VOID, "first", revision=0))
    with pytest.raises(Conflict):
        await reviews.decide(ADMIN, session_id, Ruling(Decision.APPROVE, "second", revision=0))
    approved = await reviews.decide(ADMIN, session_id, Ruling(Decision.APPROVE, "third", revision=1))
    assert (approved.billing_state, approved.billable_energy_wh) == ("approved", 910_000)


async def test_only_a_held_session_can_be_decided_and_only_by_its_administrators(place: Database) -> None:
    sound, held = await ended(place, evse_id=2), await odd(place)
    reviews, ruling = Reviews(place), Ruling(Decision.VOID, "x")
    with pytest.raises(NotFound):
        await reviews.decide(ADMIN, sound, ruling)
    with pytest.raises(NotFound):
        await reviews.decide(Caller(Scope("cpo_admin", PERSON, OTHER), "B"), held, ruling)
    for role in ("cpo_operator", "integrator"):
        with pytest.raises(NotFound):
            await reviews.decide(Caller(Scope(role, PERSON, CPO), role), held, ruling)
    with pytest.raises((NotFound, Forbidden)):
        await reviews.decide(Caller(Scope("noc_analyst", PERSON), "noc"), held, ruling)
    assert (await state(place, held))["billing_state"] == "held"
    emsv = await reviews.decide(Caller(Scope("emsv_admin", PERSON), "EMSV"), held, ruling)
    assert (emsv.billing_state, emsv.billable_energy_wh) == ("void", 0)


@pytest.mark.parametrize(
    "ruling",
    [
        Ruling(Decision.CORRECT, "no energy"),
        Ruling(Decision.APPROVE, "surplus", Decimal(1)),
        Ruling(Decision.CORRECT, "backwards", Decimal(1), stopped_at=BEGIN - HOUR),
    ],
)
async def test_a_correction_that_makes_no_sense_is_refused(place: Database, ruling: Ruling) -> None:
    with pytest.raises(InvalidInput) as refused:
        await Reviews(place).decide(ADMIN, await odd(place), ruling)
    assert refused.value.code == "invalid_correction"


async def test_reviews_are_listed_by_reason_and_state_and_counted(place: Database) -> None:
    jump = await odd(place)
    back = await ended(place, evse_id=2, meter_stop_wh=4000)
    await Judge(place, 7200).judge()
    reviews = Reviews(place)

    async def listed(wanted: ReviewFilter) -> tuple[set[str], int | None]:
        page = await reviews.list(ADMIN.scope, PageRequest(), wanted, count=True)
        return {review.id for review in page.items}, page.total

    assert await listed(ReviewFilter()) == ({jump, back}, 2)
    assert await listed(ReviewFilter(reason=Reason.ODOMETER_JUMP)) == ({jump}, 1)
    assert await listed(ReviewFilter(reason=Reason.OVERLAP)) == (set(), 0)
    await reviews.decide(ADMIN, back, Ruling(Decision.VOID, "reset meter"))
    assert await listed(ReviewFilter(BillingState.HELD)) == ({jump}, 1)
    assert await listed(ReviewFilter(BillingState.VOID, charger_id="CP-1")) == ({back}, 1)
    stranger = await reviews.list(Scope("cpo_admin", PERSON, OTHER), PageRequest(), ReviewFilter(), count=True)
    assert (stranger.items, stranger.total) == ([], 0)
