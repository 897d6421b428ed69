"""The test bench: one charger, its plugs, what can be done to it, and the frames beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from dashboards.common import formats as f
from dashboards.common.charts import session_curve
from dashboards.common.texts import language
from dashboards.simulator import looks
from dashboards.simulator.controls import (
    FAULTS,
    PACES,
    PLUG_CONTROLS,
    PRESETS,
    TEMPLATES,
    UNIT_CONTROLS,
    Control,
)
from dashboards.simulator.garage import BayView, PlugView, garage
from dashboards.simulator.start import start_form
from dashboards.simulator.texts import w
from simulator.cars import slow_car
from simulator.vehicle import Vehicle

FRAMES_SHOWN = 80
ZONE = "Asia/Jakarta"
CARS = {
    "normal": lambda: Vehicle.at_soc(20),
    "nearly_full": lambda: Vehicle.at_soc(95),
    "slow": slow_car,
}


def page() -> None:
    """Draw everything."""
    with st.sidebar:
        start_form()
    identity = _choose()
    if identity is None:
        st.subheader(w("empty.head"))
        st.write(w("empty.text"))
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        connector_id = _inputs(identity)
        _presets(identity, connector_id)
        _live(identity, connector_id)
    with right:
        st.subheader(w("frames.head"))
        words = st.text_input(w("frames.filter"), key="frames_filter")
        _frames(identity, words)
        _own_frame(identity)


def _choose() -> str | None:
    there = garage().identities()
    if not there:
        return None
    wanted = st.session_state.get("chosen")
    index = there.index(wanted) if wanted in there else 0
    chosen = st.segmented_control(
        w("choose"), there, default=there[index], key=f"choose_{'|'.join(there)}", required=True
    )
    st.session_state["chosen"] = chosen
    return str(chosen)


def _inputs(identity: str) -> int:
    """What the buttons hand on, kept in the session's state: plug, tag, car and fault. Returns the chosen plug."""
    view = garage().view(identity)
    numbers = [plug.connector_id for plug in view.plugs] if view else [1]
    columns = st.columns([2, 3, 4, 4])
    plug = columns[0].selectbox(w("plug", number=""), numbers, key=f"plug_{identity}", disabled=len(numbers) == 1)
    columns[1].text_input(w("tag"), value="SIM-TAG-1", key="tag", max_chars=20)
    columns[2].selectbox(w("car"), list(CARS), format_func=_names("car", CARS), key="car")
    columns[3].selectbox(w("fault"), FAULTS, key="fault")
    return int(plug)


def _names(family: str, options: Iterable[str]) -> Callable[[str], str]:
    """Words for options, fixed at drawing time: who reads them later may have no viewer, hence no language."""
    return {option: w(f"{family}.{option}") for option in options}.__getitem__


def _presets(identity: str, connector_id: int) -> None:
    columns = st.columns([3, 2, 2], vertical_alignment="bottom")
    name = columns[0].selectbox(w("preset"), PRESETS, format_func=_names("scenario", PRESETS), key="preset")
    pace = columns[1].selectbox(w("preset.pace"), list(PACES), format_func=_names("pace", PACES), key="pace")
    if columns[2].button(w("preset.play"), icon=":material/play_circle:", key="play", type="primary", width="stretch"):
        begun = garage().play(identity, name, connector_id, st.session_state["tag"], PACES[pace])
        if not begun:
            st.warning(w("no.script"), icon=":material/movie:")


@st.fragment(run_every=1, key="bench")
def _live(identity: str, connector_id: int) -> None:
    view = garage().view(identity)
    if view is None:
        st.rerun()
    _head(view)
    plug = next(row for row in view.plugs if row.connector_id == connector_id)
    _plug(plug)
    _buttons(view, plug)
    samples = view.samples.get(plug.connector_id, ())
    if any(row["power_w"] for row in samples):
        session_curve(samples, ZONE, language())
    else:
        st.caption(w("curve.empty"))


def _head(view: BayView) -> None:
    columns = st.columns(5)
    columns[0].metric(view.identity, w("state.connected") if view.connected else w("state.offline"))
    columns[1].metric(w("state.boot"), view.boot_status or w("state.none"))
    columns[2].metric(w("state.queued"), view.queued)
    clock = f.clock(view.now.isoformat(), ZONE, language())
    columns[3].metric(w("state.clock"), f"{clock} {f.zone_letters(ZONE)}")
    columns[4].metric(w("state.temperature"), f"{view.temperature_c} °C")
    st.caption(" · ".join(_equipment(view)))
    if trouble := _trouble(view):
        st.warning(trouble, icon=":material/link_off:")
    if view.script:
        st.info(w("preset.running", name=w(f"scenario.{view.script}")), icon=":material/movie:")


def _equipment(view: BayView) -> list[str]:
    """What the platform has made of the charger: firmware, security, lists, limits, and jobs under way."""
    facts = [
        w("state.firmware", version=view.firmware_version),
        w("state.profile", profile=view.security_profile),
        w("state.list", version=view.list_version),
        w("state.limits", count=view.profiles),
    ]
    return facts + [f"{w(f'job.{name}')}: {status}" for name, status in view.jobs.items()]


def _trouble(view: BayView) -> str | None:
    """Why the charger cannot serve, and what to do about it."""
    if not view.connected and view.cable_in and view.powered and view.problem:
        if view.refused_with in {404, 401}:
            return w(f"problem.{view.refused_with}", identity=view.identity)
        if view.refused_with:
            return w("problem.http", status=view.refused_with)
        return w("problem.down", url=view.url)
    if view.connected and view.boot_status in {"Pending", "Rejected"}:
        return w("problem.pending", status=view.boot_status)
    return None


def _plug(plug: PlugView) -> None:
    st.html(looks.machine(plug.status))
    tongue = language()
    columns = st.columns(4)
    columns[0].metric(w("plug.power"), f.power(plug.power_w, tongue))
    columns[1].metric(w("plug.soc"), f.percent(plug.car_soc_percent, tongue))
    columns[2].metric(w("plug.session"), f.register(plug.session_wh, tongue))
    columns[3].metric(w("plug.register"), f.register(plug.register_wh, tongue))
    st.caption(" · ".join(_facts(plug)))


def _facts(plug: PlugView) -> list[str]:
    facts = [w("plug.car", car=plug.car) if plug.car else w("plug.no_car")]
    if plug.session_wh is not None:
        key = "plug.waiting" if plug.transaction_id is None else "plug.transaction"
        facts.append(w(key, id=plug.transaction_id, tag=plug.id_token))
    if plug.reserved_for:
        facts.append(w("plug.reserved", tag=plug.reserved_for))
    if plug.limit_w is not None:
        facts.append(w("plug.limit", limit=f.power(plug.limit_w, language())))
    if plug.lock_jammed:
        facts.append(w("plug.jammed"))
    return [*facts, plug.fault] if plug.fault else facts


def _buttons(view: BayView, plug: PlugView) -> None:
    with st.container(horizontal=True):
        for control in PLUG_CONTROLS:
            _button(view, plug, control)
    with st.container(horizontal=True):
        for control in UNIT_CONTROLS:
            _button(view, plug, control)
        if st.button(w("do.remove"), icon=":material/power_settings_new:", key="do_remove"):
            garage().remove(view.identity)
            st.rerun()
    if answer := st.session_state.pop("answer", None):
        st.toast(w("answer", answer=answer))


def _button(view: BayView, plug: PlugView, control: Control) -> None:
    why_not = control.reason(view, plug)
    st.button(
        w(f"do.{control.name}"),
        icon=control.icon,
        key=f"do_{control.name}",
        disabled=why_not is not None,
        help=w(why_not) if why_not else None,
        on_click=_do,
        args=(view.identity, control),
    )


def _do(identity: str, control: Control) -> None:
    """Runs before the page is drawn again: the inputs are read as they stand now, not as they were drawn."""
    given: list[Any] = [st.session_state[f"plug_{identity}"]] if control.at_plug else []
    if control.needs == "car":
        given.append(CARS[st.session_state["car"]]())
    elif control.needs:
        given.append(st.session_state[control.needs])
    st.session_state["answer"] = garage().do(identity, control.verb, *given, **control.named)


@st.fragment(run_every=1, key="frames")
def _frames(identity: str, words: str) -> None:
    view = garage().view(identity)
    if view is None:
        return
    found = looks.matching(view.frames, words, FRAMES_SHOWN)
    if found:
        st.html(looks.frames(found))
    else:
        st.caption(w("frames.filtered") if view.frames else w("frames.none"))


def _own_frame(identity: str) -> None:
    with st.expander(w("send.head"), icon=":material/edit:", expanded=True):
        template = st.selectbox(w("send.template"), list(TEMPLATES), key="template")
        text = st.text_area(w("send.text"), value=TEMPLATES[template], key=f"own_{template}", height=120)
        if st.button(w("send.go"), icon=":material/send:", key="send"):
            answer = garage().do(identity, "send_text", text)
            st.caption(w("send.offline") if answer == "offline" else w("send.sent"))


page()
