"""The simulator's screen, run by Streamlit's own test runner against a small central system on a real socket."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from ocpp.v16 import call
from streamlit.testing.v1 import AppTest

from dashboards.simulator import looks, start
from dashboards.simulator.controls import FAULTS, PLUG_CONTROLS, PRESETS, TEMPLATES, UNIT_CONTROLS
from dashboards.simulator.garage import BayView, close_garage, garage
from dashboards.simulator.texts import TEXTS
from simulator import ChargerSpec
from simulator.books import Frame
from simulator.scenarios import SCENARIOS
from tests.simulator.csms import Csms, State, central_system
from tests.support.servers import dashboard
from tests.support.waiting import wait_until

MAIN = str(Path(__file__).parents[2] / "dashboards" / "simulator" / "main.py")
PATIENCE_S = 15


class Central:
    """A central system in a thread of its own, because the test runner is synchronous."""

    def __init__(self) -> None:
        self.state = State()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._up.wait(PATIENCE_S)

    async def _serve(self) -> None:
        async with central_system(self.state) as csms:
            self.csms: Csms = csms
            self._up.set()
            await self._over.wait()

    def ask(self, payload: Any) -> Any:
        """A command to SIM-1; its answer."""
        work = self.csms.point("SIM-1").call(payload, suppress=False)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@pytest.fixture
def central() -> Iterator[Central]:
    """A running central system; the garage is emptied before it ends."""
    running = Central()
    yield running
    close_garage()
    running.close()


@pytest.fixture
def app() -> Iterator[Callable[..., AppTest]]:
    """Opens the screen in a language."""

    def opened(language: str = "id") -> AppTest:
        made = AppTest.from_file(MAIN, default_timeout=PATIENCE_S)
        made.session_state["simulator_language"] = language
        return made.run()

    yield opened
    close_garage()


def until(identity: str, true: Callable[[BayView], object]) -> BayView:
    """Wait until the view of a charger fulfils `true`."""
    waiting = threading.Event()
    for _look in range(PATIENCE_S * 20):
        view = garage().view(identity)
        if view and true(view):
            return view
        waiting.wait(0.05)
    raise AssertionError(f"{identity} never came to it")


def switched_on(central: Central, app: Callable[..., AppTest], identity: str = "SIM-1") -> AppTest:
    """A screen on which a charger was switched on through the form and has booted."""
    screen = app("en")
    screen.text_input(key="start_identity").set_value(identity)
    screen.text_input(key="start_url").set_value(central.csms.url)
    _submit(screen)
    until(identity, lambda view: view.boot_status == "Accepted")
    return screen.run()


def _submit(screen: AppTest) -> AppTest:
    button = next(row for row in screen.button if row.form_id == "start")
    return button.click().run()


def words(screen: AppTest) -> str:
    """Everything that is to be read on the screen, HTML included."""
    kinds: list[Any] = [screen.markdown, screen.caption, screen.subheader, screen.warning, screen.error, screen.info]
    texts = [element.value for kind in kinds for element in kind]
    texts += [f"{metric.label} {metric.value}" for metric in screen.metric]
    texts += [str(element.proto.body) for element in screen.get("html")]
    return "\n".join(texts)


@pytest.mark.parametrize(("language", "hint"), [("id", "Belum ada charger"), ("en", "No charger is on yet")])
def test_an_empty_screen_says_what_to_do_and_what_it_is(app: Callable[..., AppTest], language: str, hint: str) -> None:
    screen = app(language)
    assert not screen.exception
    assert hint in words(screen)
    assert "SIMULATOR" in words(screen)


def test_a_session_by_hand(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    assert "Registration Accepted" in words(screen)
    screen.button(key="do_plug_in").click().run()
    screen.button(key="do_tap").click().run()
    assert not screen.exception
    until("SIM-1", lambda view: view.plugs[0].transaction_id == 1000)
    assert "Transaction 1000" in words(screen.run())
    assert 'aria-current="step"' in words(screen)
    screen.button(key="do_unplug").click().run()
    assert central.state.stops[1000]["reason"] == "EVDisconnected"
    assert central.state.statuses()[-1] == "Available"


def test_fault_and_network(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    screen.selectbox(key="fault").set_value("GroundFailure")
    screen.button(key="do_raise_fault").click().run()
    assert central.state.payloads("StatusNotification")[-1]["error_code"] == "GroundFailure"
    screen.button(key="do_clear_fault").click().run()
    screen.button(key="do_network_out").click().run()
    until("SIM-1", lambda view: not view.connected)
    assert "SIM-1 Offline" in words(screen.run())
    assert screen.button(key="do_network_out").disabled
    screen.button(key="do_network_in").click().run()
    until("SIM-1", lambda view: view.connected)


def test_what_the_platform_made_of_it_is_shown(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2000.0}]}
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
               "chargingProfileKind": "Relative", "chargingSchedule": schedule}  # fmt: skip
    central.ask(call.ReserveNow(1, "2090-01-01T00:00:00Z", "TAG-1", 7))
    central.ask(call.SetChargingProfile(1, profile))
    central.ask(call.SendLocalList(4, "Full", [{"idTag": "TAG-1", "idTagInfo": {"status": "Accepted"}}]))
    until("SIM-1", lambda view: view.plugs[0].status == "Reserved")
    shown = words(screen.run())
    for fact in ("Reserved for TAG-1", "Local list v4", "1 charging profiles", "Firmware 1.0.0", "Security profile 0"):
        assert fact in shown
    garage().do("SIM-1", "tap", 1, "TAG-1")
    screen.button(key="do_plug_in").click().run()
    until("SIM-1", lambda view: view.plugs[0].limit_w == 2_000)
    assert "Limited to 2.0 kW" in words(screen.run())
    screen.button(key="do_jam_lock").click().run()
    screen.button(key="do_tamper").click().run()
    assert central.state.payloads("SecurityEventNotification")[-1]["type"] == "TamperDetectionActivated"
    assert "Lock jammed" in words(screen.run())


def test_impossible_buttons_say_why(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    for name in ("unplug", "pause", "resume", "clear_fault", "network_in", "power_on"):
        button = screen.button(key=f"do_{name}")
        assert button.disabled
        assert button.help


def test_raw_frames_can_be_filtered_and_an_own_one_sent(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    assert "BootNotification" in words(screen)
    screen.text_input(key="frames_filter").set_value("nothing has this").run()
    assert "No frame matches." in words(screen)
    screen.text_input(key="frames_filter").set_value("").run()
    screen.selectbox(key="template").set_value("DataTransfer").run()
    screen.button(key="send").click().run()
    until("SIM-1", lambda view: any('[3,"own-5"' in frame.text for frame in view.frames))
    assert central.state.payloads("DataTransfer")


@pytest.mark.parametrize("preset", ["refused-tag", "malformed-frame"])
def test_a_preset_plays_to_its_end(central: Central, app: Callable[..., AppTest], preset: str) -> None:
    switched_on(central, app)
    garage().play("SIM-1", preset, 1, "TAG-1", 0.002)
    view = until("SIM-1", lambda seen: any(event.what == "played" for event in seen.events))
    assert len(view.sessions) == SCENARIOS[preset].ending.sessions
    assert view.plugs[0].status == "Available"


def test_the_play_button_starts_the_chosen_preset(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    screen.selectbox(key="preset").set_value("slow-car").run()
    screen.button(key="play").click().run()
    view = until("SIM-1", lambda seen: seen.plugs[0].car)
    assert (view.script, view.plugs[0].car) == ("slow-car", "Slow car")
    assert "Scenario under way: Slow car" in words(screen.run())


def test_a_scenario_asked_for_while_another_plays_is_not_dropped_without_a_word(
    central: Central, app: Callable[..., AppTest]
) -> None:
    screen = switched_on(central, app)
    screen.selectbox(key="preset").set_value("slow-car").run()
    screen.button(key="play").click().run()
    assert "wait until it has ended" not in words(screen)
    screen.button(key="play").click().run()
    assert "A scenario is under way; wait until it has ended." in words(screen)


def test_the_clock_of_a_charger_names_its_zone(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    assert re.search(r"Charger clock \d\d:\d\d:\d\d WIB", words(screen))


def test_an_address_that_is_no_page_leads_to_the_first(tmp_path: Path) -> None:
    with dashboard("simev.py", "http://127.0.0.1:1", tmp_path) as screen:
        told = {
            path: httpx.get(screen.url + path, headers={"Accept": "text/html,*/*"}, trust_env=False)
            for path in ("/", "/history", "/bench", "/no/such")
        }
        script = httpx.get(f"{screen.url}/_stcore/host-config", headers={"Accept": "*/*"}, trust_env=False)
    assert {path: reply.headers.get("location") for path, reply in told.items()} == {
        "/": None, "/history": None, "/bench": "/", "/no/such": "/",
    }  # fmt: skip
    assert (told["/"].status_code, told["/history"].status_code, script.status_code) == (200, 200, 200)


def test_an_unregistered_identity_is_told_how_to_register(central: Central, app: Callable[..., AppTest]) -> None:
    central.state.identities = {"KNOWN"}
    screen = app("en")
    screen.text_input(key="start_identity").set_value("STRANGER")
    screen.text_input(key="start_url").set_value(central.csms.url)
    _submit(screen)
    until("STRANGER", lambda view: view.refused_with == 404)
    assert "Register it first" in words(screen.run())


def test_a_missing_server_is_told_how_to_start_it(app: Callable[..., AppTest]) -> None:
    screen = app("id")
    screen.text_input(key="start_identity").set_value("SIM-1")
    screen.text_input(key="start_url").set_value("ws://127.0.0.1:1")
    _submit(screen)
    until("SIM-1", lambda view: view.problem)
    assert "make run" in words(screen.run())


@pytest.mark.parametrize(
    ("identity", "url", "hint"),
    [("", "ws://127.0.0.1:9000", "an identity"), ("A", "ws://example.com", "this machine"), ("A", "ftp://x", "ws://")],
)
def test_a_wrong_form_is_explained(app: Callable[..., AppTest], identity: str, url: str, hint: str) -> None:
    screen = app("en")
    screen.text_input(key="start_identity").set_value(identity)
    screen.text_input(key="start_url").set_value(url)
    _submit(screen)
    assert hint in words(screen)
    assert garage().identities() == []


def test_the_same_identity_twice_is_refused(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    _submit(screen)
    assert "already on" in words(screen)


def test_switching_off_keeps_the_history(central: Central, app: Callable[..., AppTest]) -> None:
    screen = switched_on(central, app)
    screen.button(key="do_plug_in").click().run()
    screen.button(key="do_tap").click().run()
    screen.button(key="do_remove").click().run()
    assert garage().identities() == []
    page = screen.switch_page("history.py").run()
    assert not page.exception
    assert page.dataframe[0].value["charger_id"].tolist() == ["SIM-1"]
    assert "remove" in page.dataframe[1].value["what"].tolist()


def test_history_is_empty_at_first(app: Callable[..., AppTest]) -> None:
    page = app("en").switch_page("history.py").run()
    assert not page.exception
    assert "No sessions yet." in words(page)


def test_the_garage_ends_its_connections(central: Central) -> None:
    garage().start("SIM-9", central.csms.url, ChargerSpec())
    until("SIM-9", lambda view: view.boot_status == "Accepted")
    close_garage()
    connection = central.csms.point("SIM-9")._connection
    wait_until(lambda: connection.close_code is not None, "the end of the connection")


def test_every_control_preset_and_reason_has_words() -> None:
    for control in (*PLUG_CONTROLS, *UNIT_CONTROLS):
        assert f"do.{control.name}" in TEXTS
    for preset in PRESETS:
        assert preset in SCENARIOS
        assert f"scenario.{preset}" in TEXTS
    assert all(indonesian and english for indonesian, english in TEXTS.values())
    assert set(TEMPLATES) and set(FAULTS)


def test_frames_are_escaped_and_errors_marked() -> None:
    at = datetime(2026, 11, 20, 3, 4, 5, 6_000, tzinfo=UTC)
    html = str(looks.frames([Frame(at, "in", '[4,"1","InternalError","<script>",{}]')]))
    assert "03:04:05.006" in html
    assert "in error" in html
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("url", "near"), [("ws://localhost:1", True), ("ws://[::1]:1", True), ("ws://10.0.0.1", False)]
)
def test_only_this_machine_is_near(url: str, near: bool) -> None:
    assert start.near(url) is near


def test_the_filter_of_frames_finds_the_answers_of_the_calls_it_finds() -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    texts = (
        '[2,"a","BootNotification",{}]',
        '[3,"a",{"status":"Accepted"}]',
        '[2,"b","X",{}]',
        '[3,"b",{}]',
        "{",
    )
    frames = [Frame(at, "out", text) for text in texts]
    assert [row.text for row in looks.matching(frames, "boot", 9)] == [texts[1], texts[0]]
    assert [row.text for row in looks.matching(frames, "accepted", 9)] == [texts[1]]
    assert [row.text for row in looks.matching(frames, "", 2)] == [texts[4], texts[3]]
