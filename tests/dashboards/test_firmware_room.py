"""The room Firmware & logs against the real API: what is asked before it is done, and what is done once."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from backend.settings import Settings
from dashboards.cpo import deeds
from tests.dashboards.conftest import ADMIN, OPERATOR, Nation
from tests.dashboards.test_fleet_care_rooms import Room, charger_of, everything, store, submit, uploaded
from tests.support.rooms import words
from tests.support.servers import ROOT

Press = Callable[[AppTest], AppTest]


class Forgetful(BaseHTTPRequestHandler):
    """Passes requests on to the API; the answers to the next `lose` POSTs are lost on the way."""

    api_url: ClassVar[str]
    lose: ClassVar[int] = 0

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        reply = httpx.request(self.command, self.api_url + self.path, content=body, headers=headers, trust_env=False)
        if self.command == "POST" and "-jobs" in self.path and Forgetful.lose:
            Forgetful.lose -= 1
            return
        self.send_response(reply.status_code)
        for name in ("content-type", "etag"):
            if name in reply.headers:
                self.send_header(name, reply.headers[name])
        self.end_headers()
        self.wfile.write(reply.content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def forgetful(nation: Nation, dashboards_at: Callable[[str], None], room: Room) -> Iterator[Room]:
    """Rooms whose way to the API loses answers."""
    Forgetful.api_url, Forgetful.lose = nation.api_url, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        dashboards_at(f"http://127.0.0.1:{server.server_port}")
        yield room
        server.shutdown()


@pytest.fixture
def confirm(monkeypatch: pytest.MonkeyPatch) -> Press:
    """Presses the button of the dialog that is open.

    Streamlit's test runner runs the whole page then, not the dialog alone, so what it is about is laid there once more.
    """
    opened: list[deeds.Deed] = []
    ask = deeds.ask

    def seen(deed: deeds.Deed) -> None:
        opened.append(deed)
        ask(deed)

    monkeypatch.setattr(deeds, "ask", seen)

    def press(app: AppTest) -> AppTest:
        app.session_state["deed"] = opened[-1]
        return app.button(key="deed_confirm").click().run()

    return press


def jobs(nation: Nation, charger: str, kind: str = "firmware") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = nation.get(OPERATOR, f"/api/chargers/{charger}/{kind}-jobs")["items"]
    return rows


def filled(room: Room, charger: str, **fields: str) -> AppTest:
    """The form of an update, with `file` and `address` in it, sent off to wait for the charger."""
    app = room(OPERATOR, "firmware", charger=charger).run()
    if "file" in fields:
        app.selectbox(key="update_file").set_value(fields["file"])
    app.text_input(key="update_location").set_value(fields.get("address", ""))
    app.toggle(key="update_queue").set_value(True)
    return submit(app, "update")


def test_an_update_began_without_a_question(room: Room, nation: Nation, confirm: Press) -> None:
    made, charger = uploaded(nation, ADMIN, "acme-8.bin"), charger_of(nation, place=2)
    about = nation.get(OPERATOR, f"/api/chargers/{charger}")
    store(nation, "update public.chargers set firmware_version = '6.9' where id = $1", charger)
    app = filled(room, charger, file=made["id"])
    asked = words(app)
    assert jobs(nation, charger) == []
    for told in ("acme-8.bin · 7.1", charger, about["station_name"], "6.9", "sesi", "mulai ulang"):
        assert told in asked
    confirm(app)
    assert "menunggu dikirim" in everything(app) and "/files/firmware/***/acme-8.bin" in everything(app)
    assert len(jobs(nation, charger)) == 1


def test_an_address_typed_by_hand_began_without_a_question(room: Room, nation: Nation, confirm: Press) -> None:
    charger = charger_of(nation, place=4)
    app = filled(room, charger, address=" ftp://vendor.test/fw.bin ")
    assert "ftp://vendor.test/fw.bin" in words(app)
    assert jobs(nation, charger) == []
    confirm(app)
    assert [job["location"] for job in jobs(nation, charger)] == ["ftp://vendor.test/fw.bin"]


def test_of_a_file_and_an_address_the_address_was_dropped_without_a_word(room: Room, nation: Nation) -> None:
    made, charger = uploaded(nation, ADMIN, "acme-9.bin"), charger_of(nation, place=5)
    for fields in ({"file": made["id"], "address": "ftp://vendor.test/fw.bin"}, {"address": "  "}):
        app = filled(room, charger, **fields)
        assert "salah satu saja" in words(app)
        assert "deed_confirm" not in [button.key for button in app.button]


def test_an_offline_charger_is_said_in_the_dialog(room: Room, nation: Nation, confirm: Press) -> None:
    charger = charger_of(nation, place=5)
    app = room(OPERATOR, "firmware", charger=charger).run()
    app.text_input(key="update_location").set_value("ftp://vendor.test/fw.bin")
    confirm(submit(app, "update"))
    assert "luring" in words(app)


def test_what_a_charger_told_had_neither_day_nor_zone(room: Room, nation: Nation, confirm: Press) -> None:
    charger = charger_of(nation, place=6)
    confirm(filled(room, charger, address="ftp://vendor.test/fw.bin"))
    told = '[{"at": "2026-11-21T03:00:00Z", "status": "Downloading"}]'
    store(nation, "update public.firmware_jobs set status = 'failed', reported = 'DownloadFailed', "
          "progress = $2::text::jsonb where charger_id = $1", charger, told)  # fmt: skip
    store(nation, "update public.stations set timezone = 'Asia/Makassar' where id = "
          "(select station_id from public.chargers where id = $1)", charger)  # fmt: skip
    text = everything(room(OPERATOR, "firmware", charger=charger).run())

    assert "✕ gagal" in text and "DownloadFailed" in text
    assert "21 Nov 2026 11.00 WITA" in text


def test_pressing_again_after_a_lost_answer_made_a_second_job(forgetful: Room, nation: Nation, confirm: Press) -> None:
    charger = charger_of(nation, place=7)
    app = filled(forgetful, charger, address="ftp://vendor.test/fw.bin")
    Forgetful.lose = 1
    confirm(app)
    assert app.error and len(jobs(nation, charger)) == 1
    # Closed, filled in and confirmed anew.
    confirm(submit(app, "update"))
    assert not app.error and len(jobs(nation, charger)) == 1
    # After the answer it is another one.
    confirm(submit(app, "update"))
    assert len(jobs(nation, charger)) == 2


def test_asking_again_for_a_log_after_a_lost_answer_made_a_second_job(forgetful: Room, nation: Nation) -> None:
    charger = charger_of(nation, place=7)
    app = forgetful(OPERATOR, "firmware", charger=charger).run()
    app.toggle(key="log_queue").set_value(True)
    Forgetful.lose = 1
    submit(app, "fetch")
    assert app.error
    submit(app, "fetch")
    assert [job["kind"] for job in jobs(nation, charger, "log")] == ["diagnostics"]
    Forgetful.lose = 1
    submit(app, "fetch")
    app.selectbox(key="log_kind").set_value("security_log")
    submit(app, "fetch")
    assert [job["kind"] for job in jobs(nation, charger, "log")] == ["security_log", "diagnostics", "diagnostics"]


def test_a_log_is_asked_for_and_downloaded(room: Room, nation: Nation) -> None:
    charger = charger_of(nation, place=3)
    app = room(OPERATOR, "firmware", charger=charger).run()
    app.selectbox(key="log_kind").set_value("security_log")
    app.toggle(key="log_queue").set_value(True)
    submit(app, "fetch")
    assert "Log keamanan (GetLog)" in everything(app)
    store(nation, "update public.log_jobs set status = 'uploaded', received_at = now(), size_bytes = 2048, "
          "file_name = 'sec.log' where charger_id = $1", charger)  # fmt: skip
    app = room(OPERATOR, "firmware", charger=charger).run()

    assert "sec.log · 2,0 KiB" in everything(app)
    assert "sec.log" in [button.label for button in app.button]


def test_upload_without_a_file_did_nothing_and_said_nothing(room: Room) -> None:
    app = room(ADMIN, "firmware").run()
    app.text_input(key="upload_version").set_value("9.0")
    assert "Pilih berkasnya dahulu" in words(submit(app, "upload"))


def test_files_that_the_api_takes_were_too_large_for_the_screen() -> None:
    streamlit = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    assert streamlit["server"]["maxUploadSize"] == Settings.model_fields["max_firmware_mb"].default
