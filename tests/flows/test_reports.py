"""What chargers report besides Core, and what follows from their answers: reactions in the same transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.flows.raw import RawCharger, iso
from tests.flows.running import CHARGER, Running
from tests.flows.test_commands import answered, connected

NOW = iso(datetime.now(UTC))
REPORTS: dict[str, dict[str, Any]] = {
    "DiagnosticsStatusNotification": {"status": "Uploading"},
    "FirmwareStatusNotification": {"status": "Installed"},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 1},
    "SecurityEventNotification": {"type": "InvalidChargePointCertificate", "timestamp": NOW},
    "SignedFirmwareStatusNotification": {"status": "Installed", "requestId": 1},
}

_BOOK = """
create table public.told (charger_id text, payload jsonb, at timestamptz);
grant all on public.told to service_role;
create function private.note_report(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
    language sql as $$ insert into public.told values (p_charger_id, p_payload, p_received_at) $$;
create function private.note_answer(p_command public.commands) returns void
    language sql as $$ insert into public.told values
        (p_command.charger_id, p_command.response || jsonb_build_object('outcome', p_command.status), now()) $$;
create function private.note_nothing(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
    language plpgsql as $$ begin raise exception 'defect'; end $$;
"""


def react(kind: str, action: str, function: str) -> str:
    """SQL that makes a function of this test the only reaction to an action."""
    return (f"delete from private.{kind}_reactions where action = '{action}'; "  # noqa: S608
            f"insert into private.{kind}_reactions values ('{action}', 'private.{function}')")  # fmt: skip


@pytest.mark.parametrize("action", REPORTS)
async def test_a_report_is_answered_after_its_reaction_is_stored(
    platform: Running, charger: RawCharger, action: str
) -> None:
    await platform.store_execute(_BOOK)
    await platform.store_execute(react("report", action, "note_report(text,jsonb,timestamptz)"))

    assert await charger.result(action, REPORTS[action]) == {}

    told = await platform.row("select charger_id, payload::text from public.told")
    assert told["charger_id"] == CHARGER
    assert f'"status": "{REPORTS[action].get("status")}"' in told["payload"] or action.startswith("Security")


async def test_a_report_whose_reaction_fails_is_not_acknowledged(platform: Running, charger: RawCharger) -> None:
    await platform.store_execute(_BOOK)
    await platform.store_execute(react("report", "FirmwareStatusNotification", "note_nothing(text,jsonb,timestamptz)"))

    assert await charger.error("FirmwareStatusNotification", {"status": "Installed"}) == "InternalError"
    assert await charger.result("DiagnosticsStatusNotification", {"status": "Uploaded"}) == {}


async def test_an_answer_is_reacted_to_once_whatever_it_says(platform: Running, charger: RawCharger) -> None:
    await platform.store_execute(_BOOK)
    await platform.store_execute(react("answer", "ReserveNow", "note_answer(public.commands)"))
    await connected(platform)
    payload = {"reservationId": 1, "idTag": "TAG-1", "expiryDate": NOW, "connectorId": 99}
    command = await platform.ask("ReserveNow", payload)
    asked = await answered(charger, "ReserveNow", {"status": "Occupied"})
    settled = await platform.command(command, "answered_at is not null")

    assert list(asked) == ["connectorId", "expiryDate", "idTag", "reservationId"]  # as the standard lists them
    assert settled["status"] == "rejected"
    told = await platform.row("select payload ->> 'status' as said, payload ->> 'outcome' as outcome from public.told")
    assert (told["said"], told["outcome"]) == ("Occupied", "rejected")


async def test_an_action_of_the_other_direction_is_known_but_not_supported(charger: RawCharger) -> None:
    assert await charger.error("ReserveNow", {}) == "NotSupported"
    assert await charger.error("../../schemas/Reset", {}) == "NotImplemented"
