"""Configuration traffic after a boot: none, unless a template is switched on; then only what differs is changed."""

from __future__ import annotations

import json
from typing import Any

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
