"""What every room stands in: navigation, the person's corner, and the live region with its banner."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.common import door, keys
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.forgiving import forgiving
from dashboards.common.texts import LANGUAGES, Language, t
from dashboards.common.viewer import Viewer, leave, require_viewer
from dashboards.common.widgets import plain

MAIN = "live"
_BLOCK = 260  # pixels
_ASSETS = Path(__file__).parent.parent / "assets"
_CSS = """<style>
.stMainBlockContainer { padding: 1.6rem 2.2rem 3rem; max-width: 1560px }
.stMainBlockContainer h1 { padding: 0 0 .2rem }
.st-key-fixed_head { position: sticky; top: 0; z-index: 90 }
.st-key-rooms { padding-bottom: .9rem; border-bottom: 1px solid rgba(128, 140, 136, .35) }
.st-key-rooms [data-testid="stVerticalBlock"] { gap: .72rem }
.st-key-rooms summary { margin-top: .45rem; font-weight: 600; color: inherit }
.st-key-rooms [data-testid="stExpanderDetails"] { padding: .45rem 0 .1rem }
.st-key-map_box [data-testid="stDeckGlJsonChart"] { border-radius: 8px; background: rgba(124, 200, 255, .16) }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums }
@media (max-width: 1500px) {
  .st-key-tiles [data-testid="stHorizontalBlock"] { flex-wrap: wrap }
  .st-key-tiles [data-testid="stColumn"] { flex: 1 1 30%; min-width: 30% }
}
[data-testid="stWidgetLabelRequired"] { display: none } /* "(required)", in English alone */
</style>"""


@dataclass(frozen=True, slots=True)
class Room:
    """One page: file below dashboards/<name>/, path in the URL, icon; `listed` rooms stand in the navigation.

    It is offered to those who have the permission it `needs` (none: to everybody). Rooms stand under the heading
    `section.<section>`, sections in the order in which they first occur.
    """

    file: str
    url: str
    needs: str
    icon: str | None = None
    section: str = "operate"
    listed: bool = True


def open_house(dashboard: door.Dashboard, rooms: Sequence[Room]) -> None:
    """Run the room the URL names. The first room is the default: it stands at `/` and at its name."""
    viewer = require_viewer(dashboard)
    rooms = [room for room in rooms if not room.needs or viewer.may(room.needs)]
    # An icon of our own: those of the pages would be fetched from the internet as favicon.
    st.set_page_config(page_icon=str(_ASSETS / "mark.svg"), layout="wide", initial_sidebar_state=250)
    st.logo(str(_ASSETS / "brand.svg"), size="large")
    pages = {room.url: _page(dashboard, room, default=room is rooms[0]) for room in rooms}
    st.session_state["rooms"] = {**pages, "": pages[rooms[0].url]}
    # Streamlit serves the first room at `/` alone, and of its name says in English that there is no such page.
    named = _page(dashboard, rooms[0], default=False)
    page = st.navigation([*pages.values(), named], position="hidden")
    if page == named:
        pages[rooms[0].url] = named  # so that its link is marked as the place where one is
    st.session_state["here"] = page.url_path
    st.html(_CSS)
    with st.sidebar:
        _menu(rooms, pages, page.url_path)
        asked = _corner(viewer)
    if asked:
        keys.panel()
    with forgiving("page"):
        page.run()


def _menu(rooms: Sequence[Room], pages: Mapping[str, st.Page], here: str) -> None:
    """Daily work first and always in view; every other section is one line until it is opened or one is in it."""
    current = next((room.section for room in rooms if room.url == here), rooms[0].section)
    with st.container(key="rooms", gap=None):
        for section in dict.fromkeys(room.section for room in rooms):
            daily = section == rooms[0].section
            with st.container() if daily else _folded(section, opened=section == current):
                for room in rooms:
                    if room.listed and room.section == section:
                        st.page_link(pages[room.url], width="stretch")


def _folded(section: str, *, opened: bool) -> DeltaGenerator:
    # With one key for both, a section would stay as it is when people go to another.
    key = f"section_{section}_{'here' if opened else 'elsewhere'}"
    return st.expander(t(f"section.{section}"), expanded=opened, key=key, type="compact")


def _page(dashboard: door.Dashboard, room: Room, *, default: bool) -> st.Page:
    return st.Page(
        room.file,
        title=t(f"{dashboard.name}.{room.url}.title"),
        icon=room.icon,
        url_path="home" if default else room.url,
        default=default,
        visibility="visible" if room.listed else "hidden",
    )


def _corner(viewer: Viewer) -> bool:
    """Who is signed in, for whom, the language, the way out. True: the list of keys is asked for."""
    st.markdown(f"**{plain(viewer.name)}**  \n{plain(viewer.cpo_name or 'EMSV')} · {t(f'role.{viewer.role}')}")
    names: dict[Language, str] = {"id": "Indonesia", "en": "English"}
    choice = st.segmented_control(
        t("corner.language"),
        LANGUAGES,
        default=viewer.language,
        format_func=lambda code: names[code],
        key="choose_language",
        label_visibility="collapsed",
        required=True,
    )
    if choice and choice != viewer.language:
        _keep_language(viewer, choice)
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(t("corner.sign_out"), icon=":material/logout:", key="sign_out"):
            viewer.api.sign_out()
            leave()
        return keys.button()


def _keep_language(viewer: Viewer, choice: Language) -> None:
    """For this login at once, and with the person for every later one."""
    door.store(viewer.dashboard).set_language(viewer.key, choice)
    with suppress(ApiDown, ApiRefused):  # then the next login begins in the language before
        viewer.api.call("PATCH", "/api/auth/me", body={"locale": choice})


def live(
    dashboard: door.Dashboard, body: Callable[[Viewer], None], *, every: float | None = 2, key: str = MAIN
) -> None:
    """Run `body` now and again every few seconds, checking the login each time.

    When the API does not answer, `body` keeps showing the last data and goes on trying; the main region of a
    room (`key` left alone) says so in a banner. Until the first answer a grey block holds the place.
    """

    @st.fragment(run_every=every, key=key)
    def region() -> None:
        banner, place, coming = st.empty(), st.container(), st.empty()
        st.session_state["api_down"] = False
        if not _stands(key):
            coming.skeleton(height=_BLOCK)
        with place, forgiving(key):
            body(require_viewer(dashboard))
        coming.empty()
        if st.session_state.get("api_down") and key == MAIN:
            banner.warning(t("api.down.banner"), icon=":material/cloud_off:")

    region()


def _stands(key: str) -> bool:
    """Was this region drawn before, since the room was opened? A tick must not make the page jump."""
    room, regions = st.session_state.get("standing", (None, frozenset()))
    here = st.session_state.get("here")
    st.session_state["standing"] = (here, {key} | (regions if room == here else set()))
    return room == here and key in regions
