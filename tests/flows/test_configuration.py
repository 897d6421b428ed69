"""Configuration traffic after a boot: none, unless a template is switched on; then only what differs is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.services.outbox import Outbox
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected

TEMPLATE = "33333333-0000-0000-0000-000000000001"


async def switched_on(platform: Running, settings: dict[str, str], *, reboot: bool = False) -> None:
    """A template for CP-1."""
    await platform.store_execute(
        f"insert into public.configuration_templates (id, cpo_id, name, settings, reboot) "  # noqa: S608
        f"values ('{TEMPLATE}', '{CPO}', 'Std', '{json.dumps(settings)}', {reboot}); "
        f"insert into public.charger_templates (charger_id, cpo_id, template_id) "
        f"values ('{CHARGER}', '{CPO}', '{TEMPLATE}')"
    )


async def report(charger: RawCharger, **keys: str) -> None:
    """Answers the GetConfiguration that is due now."""
    entries = [{"key": key, "readonly": False, "value": value} for key, value in keys.items()]
    assert await answered(charger, "GetConfiguration", {"configurationKey": entries}) == {}


async def state(platform: Running, wanted: str) -> None:
    """Returns when the pass has come so far."""
    await platform.until("select 1 from public.charger_templates where state = $1", wanted)


async def booted(platform: Running, charger: RawCharger) -> None:
    assert await charger.boot() == "Accepted"
    await Outbox(platform.database).relay()


async def silent(charger: RawCharger) -> bool:
    """Whether the platform has asked nothing: the next frame is the answer to our own call."""
    return "currentTime" in await charger.result("Heartbeat", {})


async def commands(platform: Running) -> list[str]:
    return [row["action"] for row in await platform.rows("select action from public.commands order by seq")]


async def test_without_a_template_nothing_is_sent_after_a_boot(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    for _ in range(2):
        await booted(platform, charger)
        await Upkeep(platform.database).reboot_for_templates()

    assert await silent(charger)
    assert await commands(platform) == []
    assert await platform.rows("select 1 from public.outbox where topic = 'charger.booted'") == []


async def test_with_a_template_only_what_differs_is_changed(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1", "B": "true", "C": "3", "Unknown": "x"})
    await connected(platform)
    await booted(platform, charger)
    await report(charger, A="2", B="True", C="4")
    asked = [await answered(charger, "ChangeConfiguration", {"status": "Accepted"}) for _ in range(2)]
    await state(platform, "done")

    assert asked == [{"key": "A", "value": "1"}, {"key": "C", "value": "3"}]
    assert await silent(charger)
    changes = await platform.rows("select key, old_value, new_value, source, actor from public.configuration_changes "
                                  "order by id")  # fmt: skip
    assert [tuple(row.values()) for row in changes] == [
        ("A", "2", "1", "template", "Std"), ("C", "4", "3", "template", "Std")]  # fmt: skip
    drift = await platform.row("select key, reason from public.configuration_drift")
    assert (drift["key"], drift["reason"]) == ("Unknown", "unknown_key")


async def test_an_event_of_a_boot_that_is_relayed_twice_asks_once(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1"})
    await connected(platform)
    await booted(platform, charger)
    await report(charger, A="1")
    await state(platform, "done")
    await platform.store_execute("update public.outbox set published_at = null, claimed_until = null")
    await Outbox(platform.database).relay()

    assert await silent(charger)
    assert await commands(platform) == ["GetConfiguration"]


async def test_a_reboot_comes_only_if_asked_for(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1"})
    await connected(platform)
    await booted(platform, charger)
    await report(charger, A="2")
    await answered(charger, "ChangeConfiguration", {"status": "RebootRequired"})
    await state(platform, "done")

    assert await silent(charger)
    assert (await platform.row("select reason from public.configuration_drift"))["reason"] == "reboot_required"


async def test_a_reboot_waits_for_the_session_and_comes_once(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1"}, reboot=True)
    await connected(platform)
    transaction_id = await charger.start()
    await booted(platform, charger)
    await report(charger, A="2")
    await answered(charger, "ChangeConfiguration", {"status": "RebootRequired"})
    await state(platform, "reboot_waiting")
    assert await Upkeep(platform.database).reboot_for_templates() == 0
    assert await silent(charger)
    await charger.stop(transaction_id)
    assert await Upkeep(platform.database).reboot_for_templates() == 1
    assert await answered(charger, "Reset", {"status": "Accepted"}) == {"type": "Soft"}
    await booted(platform, charger)  # and it has forgotten everything
    await report(charger, A="2")
    await answered(charger, "ChangeConfiguration", {"status": "RebootRequired"})
    await state(platform, "reboot_waiting")

    assert await Upkeep(platform.database).reboot_for_templates() == 0
    assert await silent(charger)


async def test_a_charger_that_refuses_is_shown_as_failed(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1", "B": "1"}, reboot=True)
    await connected(platform)
    await booted(platform, charger)
    await report(charger, A="2", B="2")
    await answered(charger, "ChangeConfiguration", {"status": "Rejected"})
    await answered(charger, "ChangeConfiguration", {"status": "NotSupported"})
    await state(platform, "failed")

    assert len(await platform.rows("select 1 from public.configuration_drift where reason = 'differs'")) == 2


async def test_a_charger_that_waits_for_approval_is_left_alone(platform: Running, charger: RawCharger) -> None:
    await switched_on(platform, {"A": "1"})
    await platform.store_execute("update public.chargers set registration = 'pending'")
    row: dict[str, Any] = {"chargePointVendor": "Raw", "chargePointModel": "One"}
    assert (await charger.result("BootNotification", row))["status"] == "Pending"
    await Outbox(platform.database).relay()

    assert await commands(platform) == []


# -- passes that stood still for ever


async def died(platform: Running) -> None:
    """What a server that is killed leaves: what it had sent stays sent, until the clock ends it."""
    await platform.store_execute("update public.commands set status = 'sent', answered_at = null, error_code = null, "
                                 "sent_at = now() - interval '91 seconds' where status = 'timed_out'")  # fmt: skip
    await Upkeep(platform.database).expire_commands()


async def left_while_asked(platform: Running, charger: RawCharger, action: str) -> None:
    """The charger hears a command of the pass and its socket ends before it answers."""
    await charger.asked(action)
    charger.connection.transport.abort()
    await platform.until("select 1 from public.commands where status = 'timed_out' limit 1")
    await platform.until("select 1 from public.connections where disconnected_at is not null")
    # What was claimed just as it left was not sent, and waits again.
    await platform.until("select 1 as settled where not exists (select from public.commands where status = 'sent')")


@pytest.mark.parametrize("killed", [True, False])
async def test_a_pass_whose_reading_was_lost_stood_still_for_ever(platform: Running, *, killed: bool) -> None:
    upkeep = Upkeep(platform.database)
    await switched_on(platform, {"A": "1"})
    async with platform.plugged() as charger:
        await connected(platform)
        await booted(platform, charger)
        await left_while_asked(platform, charger, "GetConfiguration")
    if killed:
        await died(platform)
    assert await upkeep.take_up_templates() == 0  # nobody there to be asked
    async with platform.plugged() as charger:  # back, without a boot
        await connected(platform)
        assert (await upkeep.take_up_templates(), await upkeep.take_up_templates()) == (1, 0)
        await report(charger, A="2")
        assert await answered(charger, "ChangeConfiguration", {"status": "Accepted"}) == {"key": "A", "value": "1"}
        await state(platform, "done")
        await platform.store_execute("update public.outbox set published_at = null, claimed_until = null")
        await Outbox(platform.database).relay()  # the boot is told again
        assert await silent(charger)


async def test_a_pass_whose_change_was_never_sent_is_taken_up_once_and_then_given_up(platform: Running) -> None:
    upkeep = Upkeep(platform.database)
    await switched_on(platform, {"A": "1", "B": "1"})
    async with platform.plugged() as charger:
        await connected(platform)
        await booted(platform, charger)
        await report(charger, A="2", B="2")
        await left_while_asked(platform, charger, "ChangeConfiguration")
    await platform.store_execute("update public.commands set expires_at = now() where status = 'queued'")
    await died(platform)
    async with platform.plugged() as charger:
        await connected(platform)
        assert await upkeep.take_up_templates() == 1
        await left_while_asked(platform, charger, "GetConfiguration")
    await state(platform, "failed")

    assert await upkeep.take_up_templates() == 0


async def test_a_second_pass_that_the_clock_ends_fails(platform: Running) -> None:
    upkeep, ends = Upkeep(platform.database), []
    await switched_on(platform, {"A": "1"})
    await platform.store_execute(  # its socket is at another server, which sends nothing
        "insert into public.nodes (name, started_at, seen_at) values ('other', now(), now() + interval '1 hour'); "
        "insert into public.connections "
        "(charger_id, cpo_id, connection_id, node, protocol, connected_at, last_seen_at) "
        "select id, cpo_id, gen_random_uuid(), 'other', 'ocpp1.6', now(), now() from public.chargers"
    )
    await platform.database.call("begin_template", {"p_charger_id": CHARGER, "p_pass": "x"}, scope=SYSTEM)
    for _ in range(2):
        await platform.store_execute("update public.commands set expires_at = now() where status = 'queued'")
        await upkeep.expire_commands()
        ends.append(await upkeep.take_up_templates())
        ends.append((await platform.row("select state from public.charger_templates"))["state"])

    assert ends == [1, "reading", 1, "failed"]
    assert await commands(platform) == ["GetConfiguration"] * 2


@pytest.mark.parametrize(("answer", "then"), [
    ({"status": "Rejected"}, ""),
    ({"status": "Accepted"}, "update public.commands set answered_at = now() - interval '11 minutes'"),
    (None, "update public.commands set sent_at = now() - interval '11 minutes' where action = 'Reset'"),
])  # fmt: skip
async def test_a_restart_that_did_not_come_was_waited_for_for_ever(
    platform: Running, answer: dict[str, str] | None, then: str
) -> None:
    upkeep = Upkeep(platform.database)
    await switched_on(platform, {"A": "1"}, reboot=True)
    async with platform.plugged() as charger:
        await connected(platform)
        await booted(platform, charger)
        await report(charger, A="2")
        await answered(charger, "ChangeConfiguration", {"status": "RebootRequired"})
        await state(platform, "rebooting")
        assert await upkeep.take_up_templates() == 0
        if answer is None:
            await left_while_asked(platform, charger, "Reset")
        else:
            await answered(charger, "Reset", answer)
            await platform.until("select 1 from public.commands where action = 'Reset' and answered_at is not null")
    if then:
        assert await upkeep.take_up_templates() == 0
        await platform.store_execute(then)
    await upkeep.expire_commands()

    assert await upkeep.take_up_templates() == 1
    await state(platform, "failed")


async def test_the_simulator_obeys_a_template(platform: Running) -> None:
    await switched_on(platform, {"MeterValueSampleInterval": "17"})
    async with platform.simulated() as simulated:
        await simulated.boot()
        await connected(platform)
        await Outbox(platform.database).relay()
        await state(platform, "done")

    drift = await platform.rows("select * from public.configuration_drift")
    assert drift == []
    kept = await platform.row("select value from public.charger_configuration where key = 'MeterValueSampleInterval'")
    assert kept["value"] == "17"
