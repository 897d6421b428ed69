"""The books of a fleet in one JSON document, and its present state in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulator.device import SimulatedCharger

if TYPE_CHECKING:
    from simulator.fleet import Fleet


def _total(counters: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(sorted(total.items()))


def summarise(fleet: Fleet) -> dict[str, Any]:
    """Everything a platform's books can be compared with.

    `sessions.energy_wh` is the sum over all sessions by the true registers; `books` has one row per session
    (the last 5,000 of each charger): transaction id, registers at start and stop as lived and as said,
    times, reason, what was acknowledged. `registers_wh` are the lifetime registers at the end, by charger
    and connector.
    """
    books = [charger.books for charger in fleet.running]
    rows = [session for book in books for session in book.sessions]
    messages = {"sent": 0, "answered": 0, "errors": 0, "unanswered": 0} | _total(book.messages for book in books)
    return {
        "scenario": fleet.scenario,
        "seed": fleet.seed,
        "speed": fleet.speed,
        "chargers": len(fleet.chargers),
        "began_at": fleet.began_at.isoformat(),
        "ended_at": datetime.now(UTC).isoformat(),
        "simulated_from": fleet.simulated_from.isoformat(),
        "simulated_to": fleet.clock.now().isoformat(),
        "sessions": {
            "begun": sum(book.sessions_begun for book in books),
            "ended": sum(book.sessions_ended for book in books),
            "open": sum(len(book.open_sessions()) for book in books),
            "starts_acknowledged": sum(row.start_acknowledged for row in rows),
            "stops_acknowledged": sum(row.stop_acknowledged for row in rows),
            "given_up": sum(row.given_up for row in rows),
            "energy_wh": sum(row.energy_wh for row in rows),
        },
        "messages": messages,
        "by_action": _total(book.by_action for book in books),
        "commands": _total(book.commands for book in books),
        "boots": sum(book.boots for book in books),
        "connections": sum(book.connections for book in books),
        "queued": sum(charger.queued for charger in fleet.running),
        "registers_wh": {charger.identity: _registers(charger) for charger in fleet.running},
        "books": [row.as_dict() for row in rows],
    }


def _registers(charger: SimulatedCharger) -> dict[str, int]:
    return {str(number): plug.energy_wh for number, plug in charger.connectors.items()}


def progress(fleet: Fleet) -> str:
    """One line: simulated time, who is there, what flows, what was said."""
    chargers = fleet.running
    connected = sum(charger.connected for charger in chargers)
    charging = sum(len(charger.sessions.open) for charger in chargers)
    power_kw = sum(charger.charger.power_w for charger in chargers) / 1000
    begun = sum(charger.books.sessions_begun for charger in chargers)
    ended = sum(charger.books.sessions_ended for charger in chargers)
    said = _total(charger.books.messages for charger in chargers)
    queued = sum(charger.queued for charger in chargers)
    return (
        f"{fleet.clock.now():%Y-%m-%d %H:%M:%S}Z  {connected}/{len(chargers)} connected  "
        f"{charging} charging {power_kw:,.0f} kW  sessions {begun} begun {ended} ended  "
        f"messages {said.get('sent', 0)} ({said.get('errors', 0)} errors, {said.get('unanswered', 0)} lost)  "
        f"queued {queued}"
    )
