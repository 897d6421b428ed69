"""Held sessions over HTTP: listed with evidence, decided by those who may, every refusal with its code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backend.services.judging import Judge
from tests.api.conftest import NOW, World

SOON = timedelta(seconds=1)


@pytest.fixture
async def held(world: World) -> str:
    """A session of the own CPO whose register went back by 100 Wh; its id. The others are judged with it."""
    started, stopped = NOW - timedelta(hours=9), NOW - timedelta(hours=8)
    session = await world.add_session(
        world.own, started_at=started.isoformat(), start_received_at=(started + SOON).isoformat(),
        stopped_at=stopped.isoformat(), stop_received_at=(stopped + SOON).isoformat(),
        meter_start_wh=900, meter_stop_wh=800, energy_wh=0,
    )  # fmt: skip
    await Judge(world.database, 7200).judge()
    return str(session["id"])


async def test_a_held_session_is_listed_with_evidence_and_proposal(world: World, held: str) -> None:
    client = await world.client("cpo_operator")
    params = {"reason": "register_back", "billing_state": "held", "count": "true"}
    listed = (await client.get("/api/sessions/reviews", params=params)).json()
    assert (listed["total"], [item["id"] for item in listed["items"]]) == (1, [held])
    review = listed["items"][0]
    assert review["plausibility"] == review["review_reasons"] == ["register_back"]
    assert review["evidence"]["falls"][0]["from_wh"] == 900
    assert review["evidence"]["rated_power_w"] == 60_000
    assert (review["proposal"]["decision"], review["proposal"]["method"]) == ("void", "none")
    assert review == (await client.get(f"/api/sessions/{held}/review")).json()
    assert (await client.get("/api/sessions/reviews", params={"reason": "overlap"})).json()["items"] == []


async def test_the_list_of_sessions_can_be_filtered_by_what_is_billed(world: World, held: str) -> None:
    client = await world.client("cpo_admin")
    found = (await client.get("/api/sessions", params={"billing_state": "held", "count": "true"})).json()
    assert held in [item["id"] for item in found["items"]]
    assert found["total"] == len(found["items"])
    assert {item["billing_state"] for item in found["items"]} == {"held"}
    overview = (await client.get("/api/analytics/dashboard")).json()
    assert overview["sessions"]["held"] >= 1


async def test_an_administrator_corrects_and_everybody_reads_what_is_billed(world: World, held: str) -> None:
    client = await world.client("cpo_admin")
    body: dict[str, Any] = {"decision": "correct", "reason": "meter was replaced", "energy_wh": 4321.125, "revision": 0}
    answer = await client.post(f"/api/sessions/{held}/review", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == (await client.post(f"/api/sessions/{held}/review", json=body)).json()
    session = (await client.get(f"/api/sessions/{held}")).json()
    assert (session["billing_state"], session["billable_energy_wh"]) == ("corrected", 4321.125)
    assert (session["meter_stop_wh"], session["energy_wh"]) == (800, 0)


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("cpo_operator", {"decision": "void"}, 403, "forbidden"),
    ("noc_analyst", {"decision": "void"}, 403, "forbidden"),
    ("integrator", {"decision": "void"}, 403, "forbidden"),
    ("cpo_admin", {"decision": "correct"}, 422, "invalid_correction"),
    ("cpo_admin", {"decision": "approve", "energy_wh": 1}, 422, "invalid_correction"),
    ("cpo_admin", {"decision": "correct", "energy_wh": -1}, 422, "invalid_input"),
    ("cpo_admin", {"decision": "correct", "energy_wh": 1.0001}, 422, "invalid_input"),
    ("cpo_admin", {"decision": "void", "reason": ""}, 422, "invalid_input"),
    ("cpo_admin", {"decision": "void", "revision": 7}, 409, "review_conflict"),
]


@pytest.mark.parametrize(("role", "change", "status", "code"), REFUSED)
async def test_a_decision_that_may_not_be_is_refused(
    world: World, held: str, role: str, change: dict[str, Any], status: int, code: str
) -> None:
    client = await world.client(role)
    answer = await client.post(f"/api/sessions/{held}/review", json={"reason": "because", **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    reader = await world.client("cpo_operator")
    assert (await reader.get(f"/api/sessions/{held}/review")).json()["billing_state"] == "held"


async def test_a_session_that_is_not_held_or_not_ones_own_has_no_review(world: World) -> None:
    client = await world.client("cpo_admin")
    running = (await world.running_session(world.own))["id"]
    for session_id in (running, world.other.session_id):
        answer = await client.post(f"/api/sessions/{session_id}/review", json={"decision": "void", "reason": "x"})
        assert (answer.status_code, answer.json()["code"]) == (404, "review_not_found")
