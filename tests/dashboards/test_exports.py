"""Files to save: made in the name of who pressed, of what is on the screen, and a failure is said."""

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from bench.ports import free_port
from dashboards.common import door, exports
from dashboards.common.desk import read
from dashboards.common.sessions import session_key
from dashboards.common.viewer import Viewer
from tests.dashboards.conftest import ADMIN, OTHER_ADMIN, Nation
from tests.dashboards.test_fleet_care_rooms import store
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]
At = Callable[[str], None]


def viewer(nation: Nation, email: str) -> Viewer:
    """Somebody who is signed in, outside any page."""
    login = sign_in(nation.api_url, email)
    user = login["user"]
    key = session_key(door.store(door.CPO).create(login, "id"))
    return Viewer(
        door.CPO, key, user["name"], email, user["role"], frozenset(user["permissions"]), user["cpo_id"],
        user["cpo_name"], "id", door.api(door.CPO, key), nation.api_url,
    )  # fmt: skip


def made(app: AppTest, key: str) -> str:
    """Presses the button that makes a file; what is offered to be saved then."""
    app.button(key=f"make_{key}").click().run()
    assert not app.exception
    [saving] = [one for one in app.get("download_button") if f"save_{key}" in one.proto.id]
    file = app.session_state["made_file"]
    assert file.name in saving.proto.label
    return str(file.content.decode("utf-8-sig"))


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(content.splitlines()))


def test_a_thread_without_a_session_gets_nobodys_rows(nation: Nation, dashboards_at: At) -> None:
    """Streamlit's state is one for all there: when the API was down, a CPO was handed another's rows."""
    dashboards_at(nation.api_url)
    mine, theirs = viewer(nation, ADMIN), viewer(nation, OTHER_ADMIN)
    with ThreadPoolExecutor(1) as thread:
        with pytest.raises(RuntimeError, match="session"):
            thread.submit(read, mine, "/api/sessions", limit=5).result()
        dashboards_at(f"http://127.0.0.1:{free_port()}")
        with pytest.raises(RuntimeError, match="session"):
            thread.submit(read, theirs, "/api/sessions", limit=5).result()


def test_answers_are_not_kept_for_the_next_login(room: Room, nation: Nation, dashboards_at: At) -> None:
    """The same browser, another person, and the API away: nothing of the first is left to show."""
    app = room(ADMIN, "live").run()
    [station] = [row["name"] for row in nation.get(ADMIN, "/api/stations/live", limit=1)["items"]]
    assert station in "".join(panels(app))
    other = sign_in(nation.api_url, OTHER_ADMIN)
    app.user = {"id": other["user"]["id"], "session": session_key(door.store(door.CPO).create(other, "id"))}
    dashboards_at(f"http://127.0.0.1:{free_port()}")
    app.run()
    assert station not in "".join(panels(app))
    assert "tidak menjawab" in words(app) + "".join(panels(app))


def test_without_an_answer_no_file_is_offered(room: Room, nation: Nation, dashboards_at: At) -> None:
    """Not another CPO's, not an old one, not an empty one; and the person is told."""
    theirs = room(OTHER_ADMIN, "sessions").run()
    mine = room(ADMIN, "sessions").run()
    assert rows(made(mine, "sessions"))
    dashboards_at(f"http://127.0.0.1:{free_port()}")
    theirs.button(key="make_sessions").click().run()
    assert "berkas tidak dibuat" in words(theirs)
    assert not theirs.get("download_button")
    assert "made_file" not in theirs.session_state


def test_each_gets_their_own(room: Room, nation: Nation) -> None:
    files = [{row["id"] for row in rows(made(room(who, "sessions").run(), "sessions"))} for who in (ADMIN, OTHER_ADMIN)]
    for mine, who in zip(files, (ADMIN, OTHER_ADMIN), strict=True):
        assert mine > {row["id"] for row in nation.get(who, "/api/sessions", limit=20)["items"]}
    assert not files[0] & files[1]


def _refusing() -> None:
    from types import SimpleNamespace

    from dashboards.common import exports
    from dashboards.common.api import ApiRefused

    def make() -> bytes:
        raise ApiRefused(507, "storage_full", "no room")

    exports.offer(SimpleNamespace(key="k", language="id"), "x", "Buat", make, name="x.csv", mime="text/csv")  # type: ignore[arg-type]


def test_a_refusal_is_said_and_the_button_stays() -> None:
    """The person was handed an empty file."""
    app = AppTest.from_function(_refusing).run()
    app.button(key="make_x").click().run()
    assert "Tempat berkas sudah penuh" in words(app)
    assert not app.get("download_button")
    assert app.button(key="make_x").label == "Buat"


def test_sessions_hold_what_the_filters_leave(room: Room, nation: Nation) -> None:
    charger = nation.get(ADMIN, "/api/sessions", limit=1)["items"][0]["charger_id"]
    app = room(ADMIN, "sessions", charger=charger, open="false").run()
    content = rows(made(app, "sessions"))
    assert {row["charger_id"] for row in content} == {charger}
    wanted = nation.get(ADMIN, "/api/sessions", charger_id=charger, open=False, limit=200)["items"]
    assert {row["id"] for row in content} == {row["id"] for row in wanted}
    app.text_input(key="charger").set_value("").run()
    assert not app.get("download_button"), "a file of other filters is not offered"


def test_connectors_hold_what_the_filters_leave(room: Room, nation: Nation) -> None:
    name = nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"]
    content = rows(made(room(ADMIN, "live", q=name).run(), "connectors"))
    wanted = nation.get(ADMIN, "/api/connectors", q=name, limit=200)["items"]
    assert {row["charger_id"] for row in content} == {row["charger_id"] for row in wanted} and content
    assert len(content) < len(nation.get(ADMIN, "/api/connectors", limit=200)["items"])


def test_the_audit_log_holds_what_the_filters_leave(room: Room, nation: Nation) -> None:
    nation.post(ADMIN, "/api/configuration-templates", {"name": "Untuk log", "settings": {"A": "1"}})
    app = room(ADMIN, "audit", noun="configuration_template", days="1").run()
    content = rows(made(app, "audit"))
    assert {row["object_type"] for row in content} == {"configuration_template"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])  # it is never the same day in both
def test_messages_are_those_of_today_where_the_charger_stands(room: Room, nation: Nation, zone: str) -> None:
    charger = nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]
    move = "update public.stations set timezone = $2 where id::text = $1"
    store(nation, move, charger["station_id"], zone)
    try:
        app = room(ADMIN, "message_log", charger=charger["id"]).run()
        assert not app.exception
        [days] = app.date_input
        assert set(days.value) == {datetime.now(ZoneInfo(zone)).date()}
    finally:
        store(nation, move, charger["station_id"], charger["station_timezone"])


def test_a_file_is_offered_for_some_minutes_only(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    app = room(ADMIN, "sessions").run()
    made(app, "sessions")
    assert app.run().get("download_button")
    monkeypatch.setattr(exports, "KEPT_S", 0)
    assert not app.run().get("download_button")
    assert app.button(key="make_sessions").label == "Buat CSV"
