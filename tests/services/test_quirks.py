"""Deviations are counted once, under the firmware that showed them, and seen by those whose chargers they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from backend.database import SYSTEM, Database, DirectDatabase, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.domain.masking import Mask
from backend.domain.normalising import Rule
from backend.domain.quirks import Quirk
from backend.services.directory import Directory, build_directory
from backend.services.quirk_book import QuirkBook
from backend.services.quirks import QuirkFilter, TreatedQuirk
from backend.services.records import PageRequest
from backend.services.treatments import Treatments
from tests.support.stores import TRANSPORTS, open_store

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
NOW = datetime.now(UTC).replace(microsecond=0)
MASK = Mask(b"a key of the tests")


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def cpo_id(store: Database) -> str:
    """A CPO with three chargers of one model, two of which run firmware 1.0."""
    services = build_directory(store, "a secret of the tests, long enough")
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    station = await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)
    for number, firmware in enumerate(("1.0", "1.0", "2.0"), 1):
        charger = {"id": f"CP-{number}", "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
        await services.chargers.create(ADMIN, charger, 1, None)
        boot = {"charger_id": f"CP-{number}", "vendor": "Volt", "model": "M", "firmware_version": firmware,
                "protocol": "ocpp1.6", "at": NOW.isoformat()}  # fmt: skip
        await store.call("intake", {"p_boots": [boot]}, scope=SYSTEM)
    return cpo.id


@pytest.fixture
def services(store: Database, cpo_id: str) -> Directory:
    return build_directory(store, "a secret of the tests, long enough")


def seen(charger_id: str, quirk: str, occurrences: int = 1, **more: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    return {"charger_id": charger_id, "quirk": quirk, "occurrences": occurrences, "first_at": at, "last_at": at,
            "example": "e", "transaction_id": None, **more}  # fmt: skip


async def count(store: Database, *rows: dict[str, Any], number: str | None = None) -> Any:
    return await store.call("count_quirks", {"p_id": number or str(uuid4()), "p_rows": list(rows)}, scope=SYSTEM)


async def card(services: Directory, scope: Scope = ADMIN.scope, **wanted: Any) -> list[TreatedQuirk]:
    return (await services.quirks.list(scope, PageRequest(), QuirkFilter(**wanted))).items


async def test_counters_add_up_per_firmware_with_the_share_of_its_chargers(
    store: Database, services: Directory
) -> None:
    later = (NOW + timedelta(minutes=1)).isoformat()
    await count(store, seen("CP-1", "odd_enum", 3), seen("CP-3", "odd_enum", 5), seen("NOBODY", "odd_enum"))
    await count(store, seen("CP-1", "odd_enum", 4, last_at=later, example="newest"), seen("CP-1", "clock_unset"))
    found = await card(services)
    assert [(q.firmware_version, q.quirk, q.occurrences, q.chargers_affected, q.chargers_total) for q in found] == [
        ("1.0", "clock_unset", 1, 1, 2),
        ("1.0", "odd_enum", 7, 1, 2),
        ("2.0", "odd_enum", 5, 1, 1),
    ]
    assert [q.share for q in found] == [0.5, 0.5, 1.0]
    assert (found[1].first_at, found[1].last_at.isoformat(), found[1].example) == (NOW, later, "newest")
    assert [q.quirk for q in await card(services, quirk=Quirk.CLOCK_UNSET)] == ["clock_unset"]
    assert await card(services, vendor="Other") == []


async def test_a_delivery_that_is_repeated_counts_once(store: Database, services: Directory) -> None:
    number = str(uuid4())
    for _ in range(3):
        await count(store, seen("CP-1", "odd_enum", 2), number=number)
    assert [q.occurrences for q in await card(services)] == [2]


async def test_new_firmware_begins_a_new_line(store: Database, services: Directory) -> None:
    await count(store, seen("CP-1", "odd_enum"))
    boot = {"charger_id": "CP-1", "vendor": "Volt", "model": "M", "firmware_version": "1.1", "protocol": "ocpp1.6",
            "at": (NOW + timedelta(hours=1)).isoformat()}  # fmt: skip
    await store.call("intake", {"p_boots": [boot]}, scope=SYSTEM)
    await count(store, seen("CP-1", "odd_enum", 2))
    page = await services.quirks.of_charger(ADMIN.scope, PageRequest(), "CP-1")
    assert [(q.firmware_version, q.occurrences) for q in page.items] == [("1.0", 1), ("1.1", 2)]


async def test_readings_of_a_session_that_exists_are_no_deviation(store: Database, services: Directory) -> None:
    begun = {"charger_id": "CP-1", "evse_id": 1, "connector_id": 1, "protocol": "ocpp1.6", "id_token": "T",
             "reported_at": "x", "clock_trusted": True, "started_at": NOW.isoformat(), "meter_start_wh": 0,
             "received_at": NOW.isoformat()}  # fmt: skip
    [session] = (await store.call("intake", {"p_starts": [begun]}, scope=SYSTEM))["starts"]
    own = session["transaction_id"]
    known = await count(
        store,
        seen("CP-1", "readings_unknown", 9, transaction_id=own),
        seen("CP-2", "readings_unknown", 4, transaction_id=own),
    )
    assert known == [{"charger_id": "CP-1", "transaction_id": own}]
    assert [(q.chargers_affected, q.occurrences) for q in await card(services)] == [(1, 4)]


async def test_another_cpo_sees_nothing_and_may_count_nothing(store: Database, services: Directory) -> None:
    await count(store, seen("CP-1", "odd_enum"))
    stranger = Scope("cpo_admin", ADMIN.scope.user_id, "99999999-9999-4999-8999-999999999999")
    assert await card(services, stranger) == []
    with pytest.raises(NotFound):
        await services.quirks.of_charger(stranger, PageRequest(), "CP-1")
    for function, arguments in (
        ("count_quirks", {"p_id": str(uuid4()), "p_rows": []}),
        ("count_session_quirks", {"p_session_ids": []}),
        ("rules_in_force", {"p_known": None}),
    ):
        with pytest.raises(Forbidden):
            await store.call(function, arguments, scope=stranger)


@pytest.mark.parametrize(
    ("start_wh", "stop_wh", "reading_wh", "reasons", "expected"),
    [
        (1_000_000, 1_010_000, 1_005_000, [], []),
        (1_000_000, 1_010_000, 1_005_000_000, [], ["readings_thousandfold"]),
        (1_000_000, 1_010_000, 1_005, ["register_back"], ["readings_thousandth", "register_back"]),
        (0, 9_000_000, 9_000_000, ["odometer_jump"], ["start_register_zero"]),
        (5, 6, None, ["stop_missing", "overlap"], ["sessions_overlap", "stop_missing"]),
    ],
)
async def test_a_whole_session_shows_what_no_message_does(
    store: Database, services: Directory, dsn: str, start_wh: int, stop_wh: int, reading_wh: int | None,
    reasons: list[str], expected: list[str],
) -> None:  # fmt: skip
    connection = await asyncpg.connect(dsn)
    session = await connection.fetchval(
        "insert into public.sessions (charger_id, evse_id, connector_id, protocol, id_token, start_key, started_at, "
        "start_received_at, meter_start_wh, stopped_at, stop_received_at, meter_stop_wh, review_reasons) "
        "values ('CP-1', 1, 1, 'ocpp1.6', 'T', 'k', $1, $1, $2, $3, $3, $4, $5) returning id",
        NOW - timedelta(hours=1), start_wh, NOW, stop_wh, reasons,
    )  # fmt: skip
    await connection.execute(
        "insert into public.meter_values (charger_id, evse_id, connector_id, session_id, measured_at, received_at, "
        "energy_wh, digest) values ('CP-1', 1, 1, $1, $2, $2, $3, 1)",
        session, NOW - timedelta(minutes=30), reading_wh,
    )  # fmt: skip
    await connection.close()
    for _ in range(2):
        await store.call("count_session_quirks", {"p_session_ids": [str(session), str(session)]}, scope=SYSTEM)
    found = await card(services)
    assert [(q.quirk, q.occurrences) for q in found] == [(name, 1) for name in expected]


# -- the book of an OCPP server


@pytest.fixture
async def book(store: Database, cpo_id: str) -> QuirkBook:
    return QuirkBook(store, MASK)


async def test_the_book_masks_its_examples_and_tells_in_bulk(
    store: Database, services: Directory, book: QuirkBook
) -> None:
    for _ in range(7):
        book.note("CP-1", Quirk.ODD_ENUM, 'Authorize {"idTag":"CARD-77"}' + "x" * 900)
    await book.deliver()
    await book.deliver()
    [line] = await card(services)
    assert line.occurrences == 7
    assert line.example is not None
    assert MASK.word("CARD-77") in line.example
    assert len(line.example) == 500


async def test_an_example_of_half_characters_did_stop_the_counting(
    store: Database, services: Directory, book: QuirkBook
) -> None:
    book.note("CP-1", Quirk.BAD_FRAME, "half \ud800 and zero \0" + "[" * 9000)
    await book.deliver()
    [line] = await card(services)
    assert str(line.example).startswith("half ? and zero \ufffd[")


async def test_the_book_learns_which_transactions_are_real(
    store: Database, services: Directory, book: QuirkBook
) -> None:
    begun = {"charger_id": "CP-1", "evse_id": 1, "connector_id": 1, "protocol": "ocpp1.6", "id_token": "T",
             "reported_at": "x", "clock_trusted": True, "started_at": NOW.isoformat(), "meter_start_wh": 0,
             "received_at": NOW.isoformat()}  # fmt: skip
    [session] = (await store.call("intake", {"p_starts": [begun]}, scope=SYSTEM))["starts"]
    book.named("CP-1", session["transaction_id"])  # after a restart of the server: not in memory
    book.named("CP-1", 999_999)
    book.named("CP-1", -1)
    await book.deliver()
    book.named("CP-1", session["transaction_id"])
    assert book._counts == {}
    assert [(q.quirk, q.occurrences) for q in await card(services)] == [
        ("bad_transaction_id", 1),
        ("readings_unknown", 1),
    ]


async def test_what_the_database_did_not_take_is_told_again_and_counted_once(dsn: str, services: Directory) -> None:
    closed = await DirectDatabase.open(dsn)
    await closed.close()
    book = QuirkBook(closed, MASK)
    book.note("CP-1", Quirk.ODD_ENUM, "first")
    await book.deliver()
    book.note("CP-1", Quirk.ODD_ENUM, "second")
    opened = await DirectDatabase.open(dsn)
    book._database = opened
    for _ in range(3):
        await book.deliver()
    await opened.close()
    assert [(q.occurrences, q.example) for q in await card(services)] == [(2, "second")]


# -- rules


def rule(**members: Any) -> dict[str, Any]:
    return {"name": "R", "quirk": "odd_enum", "treatment": "status_map", "parameters": {"map": {"Idle": "Available"}},
            **members}  # fmt: skip


async def test_rules_reach_the_chargers_whose_firmware_fits(store: Database, services: Directory) -> None:
    treatments = Treatments(store)
    await treatments.load()
    assert treatments.of("CP-1") is None
    made = await services.normalising_rules.create(ADMIN, rule(vendor_pattern="volt", firmware_pattern="1.*"))
    await services.normalising_rules.create(ADMIN, rule(firmware_pattern="2_0", name="a pattern, not LIKE"))
    await treatments.load()
    treatment = treatments.of("CP-1")
    assert treatment is not None
    assert treatment.apply("StatusNotification", {"status": "Idle"}) == {"status": "Available"}
    assert treatments.of("CP-2") is treatment
    assert treatments.of("CP-3") is None
    treatments.booted("CP-1", "Volt", "M", "2.0")
    assert treatments.of("CP-1") is None
    await services.normalising_rules.update(ADMIN, made.id, {"enabled": False})
    await treatments.load()
    assert treatments.of("CP-2") is None


@pytest.mark.parametrize("pattern", ["*", "volt", "V*", "*l*t", "V_lt", "%", "V\\olt", "Volt ", "*\\*"])
async def test_the_database_and_the_server_read_patterns_alike(
    store: Database, services: Directory, pattern: str
) -> None:
    await services.normalising_rules.create(ADMIN, rule(vendor_pattern=pattern))
    found = await store.call("rules_in_force", {"p_known": None}, scope=SYSTEM)
    fits = Rule("r", pattern, "*", "*", "status_map", {}).fits("Volt", "M", "1.0")
    assert ("CP-1" in found["chargers"]) == fits


async def test_only_what_makes_sense_becomes_a_rule_and_every_change_is_in_the_audit_log(
    store: Database, services: Directory
) -> None:
    rules = services.normalising_rules
    with pytest.raises(InvalidInput):
        await rules.create(ADMIN, rule(parameters={"map": []}))
    made = await rules.create(ADMIN, rule())
    with pytest.raises(InvalidInput):
        await rules.update(ADMIN, made.id, {"treatment": "clock_zone"})
    await rules.update(ADMIN, made.id, {"enabled": False})
    await rules.delete(ADMIN, made.id)
    with pytest.raises(NotFound):
        await rules.get(ADMIN.scope, made.id)
    log = await store.select("audit_log", scope=SYSTEM, columns="action", order=[("id", "asc")], limit=1000)
    assert [row["action"] for row in log][-3:] == [
        "normalising_rule.create",
        "normalising_rule.update",
        "normalising_rule.delete",
    ]
    operator = Caller(Scope("cpo_admin", ADMIN.scope.user_id, str(uuid4())), "CPO")
    with pytest.raises(Forbidden):
        await rules.create(operator, rule())


async def test_a_preview_tells_the_effect_and_whom_it_concerns_and_stores_nothing(services: Directory) -> None:
    rules = services.normalising_rules
    before = (await rules.list(ADMIN.scope, PageRequest())).items
    trial = Rule("r", "v*t", "*", "1.*", "status_map", {"map": {"Idle": "Available"}})
    said = await rules.preview(ADMIN.scope, trial, "StatusNotification", {"status": "Idle"})
    assert (said.after, said.changed, said.actions) == ({"status": "Available"}, True, ["StatusNotification"])
    assert said.chargers_fitting == 2
    everybody = Rule("r", "*", "**", "*", "status_map", {"map": {"Idle": "Available"}})
    said = await rules.preview(ADMIN.scope, everybody, "Authorize", {"idTag": "Idle"})
    assert (said.changed, said.chargers_fitting) == (False, 3)  # one of them told no vendor
    nobody = Rule("r", "V_lt", "*", "*", "status_map", {"map": {"Idle": "Available"}})
    assert (await rules.preview(ADMIN.scope, nobody, "Authorize", {})).chargers_fitting == 0
    with pytest.raises(InvalidInput):
        await rules.preview(ADMIN.scope, Rule("r", "*", "*", "*", "clock_zone", {}), "Authorize", {})
    assert (await rules.list(ADMIN.scope, PageRequest())).items == before


async def test_the_scorecard_names_the_rules_that_are_meant(store: Database, services: Directory) -> None:
    await count(store, seen("CP-1", "odd_enum"))
    assert [quirk.rules for quirk in await card(services)] == [[]]
    for name, members in {
        "fits": {},
        "other quirk": {"quirk": "odd_format"},
        "others": {"vendor_pattern": "X*"},
    }.items():
        await services.normalising_rules.create(ADMIN, rule(name=name, enabled=False, **members))
    [quirk] = await card(services)
    assert [(meant.name, meant.enabled) for meant in quirk.rules] == [("fits", False)]


async def test_a_shipped_rule_waits_for_somebody_and_is_never_deleted(services: Directory) -> None:
    [shipped] = (await services.normalising_rules.list(ADMIN.scope, PageRequest())).items
    assert (shipped.shipped, shipped.enabled, bool(shipped.source)) == (True, False, True)
    with pytest.raises(Conflict):
        await services.normalising_rules.delete(ADMIN, shipped.id)
