"""The rooms Configuration and Firmware & logs, against the real API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.common import formats as f
from dashboards.common.api import Api
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.postgres import run_sync
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]
TEMPLATES = "/api/configuration-templates"


def charger_of(nation: Nation, email: str = ADMIN, place: int = 0) -> str:
    return str(nation.get(email, "/api/chargers", limit=10)["items"][place]["id"])


def everything(app: AppTest) -> str:
    return words(app) + "".join(panels(app))


def store(nation: Nation, statement: str, *values: Any) -> None:
    """What a charger reported, past the OCPP server."""

    async def run() -> None:
        connection = await asyncpg.connect(nation.dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    run_sync(run())
    st.cache_data.clear()  # a room shows answers of the last two seconds again


def reported(nation: Nation, charger_id: str, **keys: str) -> None:
    store(nation, "insert into public.configuration_reports (charger_id, cpo_id, reported_at, complete_at) "
          "select id, cpo_id, now(), now() from public.chargers where id = $1 on conflict do nothing",
          charger_id)  # fmt: skip
    for key, value in keys.items():
        store(nation, "insert into public.charger_configuration (charger_id, cpo_id, key, value, known_at) "
              "select id, cpo_id, $2, $3, now() from public.chargers where id = $1 on conflict do nothing",
              charger_id, key, value)  # fmt: skip


def submit(app: AppTest, form: str) -> AppTest:
    """Presses the button of a form."""
    [button] = [button for button in app.button if button.proto.is_form_submitter and button.proto.form_id == form]
    return button.click().run()


@pytest.mark.parametrize("page", ["configuration", "firmware"])
@pytest.mark.parametrize("language", ["id", "en"])
def test_both_rooms_open_in_both_languages(room: Room, nation: Nation, page: str, language: str) -> None:
    for params in ({}, {"charger": charger_of(nation)}, {"charger": "NOPE"}):
        app = room(ADMIN, page, **params)
        app.run()
        app.segmented_control(key="choose_language").set_value(language).run()
        assert not app.exception


def test_keys_are_shown_and_found(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    reported(nation, charger, HeartbeatInterval="300", LightIntensity="<b>50</b>")
    shown = everything(room(ADMIN, "configuration", charger=charger).run())
    found = everything(room(ADMIN, "configuration", charger=charger, q="light").run())
    none = words(room(ADMIN, "configuration", charger=charger, q="nothing").run())

    assert "HeartbeatInterval" in shown and "&lt;b&gt;50&lt;/b&gt;" in shown
    assert "LightIntensity" in found and "HeartbeatInterval" not in found
    assert "Tidak ada kunci yang cocok" in none


def test_a_key_that_a_charger_names_is_no_picture_that_calls_home(room: Room, nation: Nation) -> None:
    charger, picture = charger_of(nation), "![x](//evil.test/x)"
    reported(nation, charger, HeartbeatInterval="300")
    store(nation, "update public.configuration_reports set unknown_keys = $2 where charger_id = $1", charger, [picture])
    drawn = [str(caption.value) for caption in room(ADMIN, "configuration", charger=charger).run().caption]

    assert not any(picture in text for text in drawn)
    assert any("evil" in text for text in drawn)


def test_changes_are_collected_compared_and_sent_one_by_one(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    reported(nation, charger, HeartbeatInterval="300")
    app = room(OPERATOR, "configuration", charger=charger).run()
    app.selectbox(key="change_key").set_value("HeartbeatInterval")
    app.text_input(key="change_value").set_value("60")
    submit(app, "add_change")
    assert "Kirim 1 perubahan" in [button.label for button in app.button]
    assert "60" in everything(app)
    app.button(key="send_changes").click().run()
    assert "luring" in words(app)  # the charger is offline: refused in words, and kept to be tried again
    assert "HeartbeatInterval: " in str(app.error[0].value)
    app.run()  # as a region does that looks again every few seconds
    assert "luring" in words(app)
    assert app.button(key="send_changes").label == "Kirim 1 perubahan"
    app.button(key="discard_changes").click().run()
    assert "send_changes" not in [button.key for button in app.button]


def test_orders_of_other_days_tell_their_date_and_zone(room: Room, nation: Nation) -> None:
    charger = charger_of(nation, place=4)
    zone = nation.get(ADMIN, f"/api/chargers/{charger}")["station_timezone"]
    path, options = f"/api/chargers/{charger}/commands/GetConfiguration", {"queue": "true"}
    made = nation._ask(ADMIN, "POST", path, json={}, params=options)["command"]
    store(nation, "update public.commands set created_at = now() - interval '3 days' where id = $1::uuid", made["id"])
    asked = nation.get(ADMIN, f"/api/commands/{made['id']}")["created_at"]
    assert f.when(asked, zone, "id") in words(room(ADMIN, "configuration", charger=charger).run())


def test_a_template_is_made_switched_on_and_its_drift_shown(room: Room, nation: Nation) -> None:
    charger = charger_of(nation, place=1)
    reported(nation, charger, HeartbeatInterval="300")
    app = room(ADMIN, "configuration").run()
    app.text_input(key="template_name").set_value("Musim hujan")
    app.text_area(key="template_settings").set_value("HeartbeatInterval = 60\n\nA=b=c")
    submit(app, "new_template")
    assert "Musim hujan" in everything(app)
    assert "Templat Musim hujan dibuat" in words(app.run())
    [made] = [row for row in nation.get(ADMIN, TEMPLATES)["items"] if row["name"] == "Musim hujan"]
    app = room(ADMIN, "configuration", charger=charger).run()
    app.selectbox(key="template").set_value(made["id"])
    submit(app, "switch")
    assert "Templat pengisi daya ini: Musim hujan" in words(app.run())
    text = everything(app)

    assert made["settings"] == {"HeartbeatInterval": "60", "A": "b=c"}
    assert "menunggu mulai ulang berikutnya" in text
    assert "akan diubah setelah mulai ulang berikutnya" in text and "pengisi daya tidak punya kunci ini" in text


def test_what_does_not_fit_is_said_in_words(room: Room, nation: Nation) -> None:
    app = room(ADMIN, "configuration").run()
    app.text_input(key="template_name").set_value("Rahasia")
    app.text_area(key="template_settings").set_value("AuthorizationKey = 0123456789abcdef")
    submit(app, "new_template")
    app.run()

    assert app.error
    assert "Rahasia" not in [row["name"] for row in nation.get(ADMIN, TEMPLATES)["items"]]


def test_an_operator_makes_no_templates_and_uploads_nothing(room: Room) -> None:
    assert not [field for field in room(OPERATOR, "configuration").run().text_area if field.key == "template_settings"]
    assert not [field for field in room(OPERATOR, "firmware").run().text_input if field.key == "upload_version"]


def uploaded(nation: Nation, email: str, name: str) -> dict[str, Any]:
    """A file of firmware, by the same client that the room uses."""
    bearer = {"Authorization": f"Bearer {sign_in(nation.api_url, email)['access_token']}"}
    with httpx.Client(trust_env=False, base_url=nation.api_url, headers=bearer) as client:
        reply = client.post("/api/firmware-files", params={"name": name, "version": "7.1"}, content=b"firmware")
        made: dict[str, Any] = reply.raise_for_status().json()
        return made


def test_firmware_is_listed_for_its_cpo_alone_and_deleted_after_a_question(room: Room, nation: Nation) -> None:
    made = uploaded(nation, ADMIN, "acme-7.bin")
    app = room(ADMIN, "firmware").run()
    assert "acme-7.bin" in everything(app)
    assert "acme-7.bin" not in everything(room(OTHER_ADMIN, "firmware").run())
    app.button(key=f"deed_delete_firmware_{made['id']}").click().run()
    assert "Berkas dihapus selamanya" in words(app)


def test_a_file_is_sent_as_it_is_and_refusals_come_back(nation: Nation) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, json={"id": "x"})

    class Kept:
        access_token, key, access_expires_at = "t", "k", 9e12

    class Store:
        def get(self, key: str) -> Kept:
            return Kept()

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api.test")
    made = Api(client, Store(), "k").upload("/api/firmware-files", b"\x00\xff", name="a b.bin", vendor=None)  # type: ignore[arg-type]

    assert (made, sent[0].content, sent[0].url.params["name"]) == ({"id": "x"}, b"\x00\xff", "a b.bin")
    assert "vendor" not in sent[0].url.params and sent[0].extensions["timeout"]["read"] == 600
