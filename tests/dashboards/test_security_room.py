"""The room Security: what is shown, what may be done by whom, and what is shown once."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import desk, door
from dashboards.common.sessions import session_key
from dashboards.common.widgets import plain
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]


def charger_of(nation: Nation, email: str = ADMIN) -> str:
    return str(nation.get(email, "/api/chargers", limit=1)["items"][0]["id"])


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_room_opens_in_both_languages(room: Room, nation: Nation, language: str) -> None:
    app = room(ADMIN, "security", charger=charger_of(nation), choose_language=language).run()
    app.segmented_control(key="choose_language").set_value(language).run()

    assert not app.exception
    assert ("Keamanan" if language == "id" else "Security") == app.title[0].value


def test_it_names_profile_password_and_what_each_step_needs(room: Room, nation: Nation) -> None:
    app = room(ADMIN, "security", charger=charger_of(nation)).run()
    text = words(app)

    assert "0 · tanpa perlindungan" in text
    assert "Tidak diminta kata sandi" in text
    assert "✗ Porta dengan TLS: belum ada" in text
    assert all(app.button(key=f"raise_{step}").disabled for step in (1, 2, 3))


def test_an_offline_charger_and_an_operator_are_told_why_not(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    app = room(OPERATOR, "security", charger=charger).run()

    assert "luring" in str(app.button(key="rotate_").help)
    assert app.button(key="by_hand_").disabled
    assert not room(ADMIN, "security", charger=charger).run().button(key="by_hand_").disabled


def test_a_password_set_by_hand_is_shown_once(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    app = room(ADMIN, "security", charger=charger).run()  # points this process at the API, too
    app.button(key="by_hand_").click().run()
    assert charger in words(app)
    login = sign_in(nation.api_url, ADMIN)
    dialog = AppTest.from_function(_by_hand, default_timeout=20, args=(charger,))
    dialog.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    dialog.run().button(key="confirm").click().run()
    shown = dialog.code[0].value
    text = words(room(ADMIN, "security", charger=charger).run())

    assert len(shown) == 40
    assert nation.get(ADMIN, f"/api/chargers/{charger}/security")["has_password"]
    assert "1 · kata sandi" in text
    assert shown not in text


def _by_hand(charger: str) -> None:
    from dashboards.cpo.safeguards import Measure, dialog

    dialog(Measure("by_hand", charger, key="same-key"))


def test_without_a_charger_the_room_explains_what_will_stand_there(room: Room) -> None:
    app = room(ADMIN, "security").run()

    assert not app.exception
    assert "Belum ada peristiwa keamanan" in words(app)


def keep_certificate(nation: Nation, charger_id: str, days: int) -> None:
    """One of the charger's own, installed, which ends in so many days (and a bit)."""
    insert = (
        "insert into public.certificates (cpo_id, charger_id, kind, state, serial_number, not_after) "
        "select cpo_id, id, 'ChargePointCertificate', 'installed', $2::text, now() + $3 * interval '1 day' + "
        "interval '1 hour' from public.chargers where id = $1 on conflict (charger_id, kind, serial_number) "
        "do update set not_after = excluded.not_after"
    )

    async def keep() -> None:
        connection = await asyncpg.connect(nation.dsn)
        await connection.execute(insert, charger_id, f"e{days}", days)
        await connection.close()

    run_sync(keep())


def test_certificates_that_end_soonest_come_first_with_the_days_they_have_left(room: Room, nation: Nation) -> None:
    own = [str(row["id"]) for row in nation.get(ADMIN, "/api/chargers", limit=3)["items"]]
    foreign = charger_of(nation, OTHER_ADMIN)
    assert "Belum ada pengisi daya yang punya sertifikat sendiri" in words(room(ADMIN, "security").run())
    for charger, days in ((own[0], 400), (own[1], 12), (own[1], 3), (foreign, 5)):
        keep_certificate(nation, charger, days)
    desk.forget()
    text = words(room(ADMIN, "security").run())

    assert "12 hari" in text and "400 hari" in text
    assert text.index("12 hari") < text.index("400 hari")
    assert "3 hari" not in text, "it has one that lasts longer"
    assert foreign not in text


def test_what_was_done_to_a_charger_is_told(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    keep_certificate(nation, charger, 70)
    room(ADMIN)  # points this process at the API
    rows = nation.get(ADMIN, f"/api/chargers/{charger}/security")["certificates"]
    login = sign_in(nation.api_url, ADMIN)
    kept = next(row for row in rows if row["serial_number"] == "e70")
    app = AppTest.from_function(_revocation, default_timeout=20, args=(charger, kept["id"]))
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    app.context = {"locale": "id-ID"}
    assert not app.run().success
    app.button(key="confirm").click().run()
    assert [said.value for said in app.success] == [f"Sudah: Cabut sertifikat ({plain(charger)})."]
    states = nation.get(ADMIN, f"/api/chargers/{charger}/security")["certificates"]
    assert {row["state"] for row in states if row["id"] == kept["id"]} <= {"revoked"}


def _revocation(charger: str, certificate_id: str) -> None:
    from dashboards.cpo.safeguards import Measure, ask_if_pressed, dialog

    ask_if_pressed()
    dialog(Measure("revoke", charger, certificate={"id": certificate_id}))


_MANY_EVENTS = """
insert into public.security_events
    (cpo_id, charger_id, source, type, critical, reported_at, happened_at, received_at, tech_info)
select cpo_id, id, 'charger', 'ResetOrReboot', false, 'then', now(), now(), 'number ' || n || '.'
from public.chargers, generate_series(0, 50) n where id = '{charger}' order by n
"""


def test_older_events_follow_and_a_charger_shows_its_own(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    run_sync(execute(nation.dsn, _MANY_EVENTS.format(charger=charger)))
    for params in ({}, {"charger": charger}):
        app = room(ADMIN, "security", **params).run()
        assert "number 50." in words(app) and "number 0." not in words(app)
        assert app.button(key="make_security-events").label == "Ekspor sebagai CSV"
        app.button(key="events_older").click().run()
        assert "number 0." in words(app)
    run_sync(execute(nation.dsn, "delete from public.security_events"))


def test_the_charger_of_another_cpo_does_not_exist_here(room: Room, nation: Nation) -> None:
    foreign = charger_of(nation, OTHER_ADMIN)
    app = room(ADMIN, "security", charger=foreign).run()

    assert "Pengisi daya ini tidak ada" in words(app)
    assert "security-profile" not in "".join(panels(app))
