"""Deciding about a held session: the form with the proposed correction, and the dialog that names the consequence."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from dashboards.common import desk, door, outcomes
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.choices import set_param
from dashboards.common.forgiving import ask
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain
from dashboards.cpo.rows import Row

_ASKING = "ruling"
_LARGEST_KWH = 999_999_999.0


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision as it stood when its button was pressed; `revision` makes the API refuse it if facts came since."""

    decision: str
    session: Row
    note: str
    energy_wh: Decimal
    times: dict[str, str]
    next_id: str

    def body(self) -> dict[str, Any]:
        """The request. Energy goes as text, because money is made of it."""
        said = {"decision": self.decision, "reason": self.note, "revision": self.session["revision"]}
        return {**said, "energy_wh": str(self.energy_wh), **self.times} if self.decision == "correct" else said


def form(viewer: Viewer, row: Row, next_id: str) -> None:
    """The proposal, prefilled, and the three ways out."""
    st.subheader(t("held.proposal"))
    proposal, mark = row["proposal"], f"{row['id']}_{row['revision']}"
    st.caption(t(f"held.method.{proposal['method']}"))
    energy_kwh = st.number_input(
        t("held.energy"), 0.0, _LARGEST_KWH, proposal["energy_wh"] / 1000, step=0.1, format="%.3f", key=f"kwh_{mark}"
    )
    # The field knows only the decimal point, which groups thousands in Indonesian.
    st.caption(f"= {f.number(energy_kwh, viewer.language, 3)} kWh")
    times = _times(row, mark)
    note = st.text_input(t("held.note"), key=f"note_{mark}", max_chars=1000, placeholder=t("held.note_hint")).strip()
    obstacle = "order.no.role" if not viewer.may("sessions:review") else None if note else "held.note_missing"
    energy_wh = (Decimal(repr(energy_kwh)) * 1000).quantize(Decimal("0.001"))
    with st.container(horizontal=True):
        for decision, icon in (
            ("approve", ":material/check:"),
            ("correct", ":material/edit:"),
            ("void", ":material/block:"),
        ):
            pressed = st.button(
                t(f"held.{decision}.button"), key=f"{decision}_held", icon=icon, disabled=obstacle is not None,
                help=t(obstacle) if obstacle else None,
                type="primary" if decision == proposal["decision"] and not obstacle else "secondary",
            )  # fmt: skip
            if pressed:
                st.session_state[_ASKING] = Ruling(decision, row, note, energy_wh, times, next_id)
                st.rerun()


def _times(row: Row, mark: str) -> dict[str, str]:
    """Begin and end to bill, where they differ from the session's own; shown to the minute in station time."""
    zone = f.zone(row["station_timezone"])
    found = {}
    for name in ("started_at", "stopped_at"):
        proposed = f.moment(row["proposal"][name])
        assert proposed is not None
        shown = proposed.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        label = t(f"held.{name}", zone=f.zone_letters(row["station_timezone"]))
        chosen = st.datetime_input(label, shown, step=60, key=f"{name}_{mark}", format="DD/MM/YYYY", required=True)
        wanted = _exact(chosen, shown, proposed)
        if wanted != f.moment(row[name]):
            found[name] = wanted.isoformat()
    return found


def _exact(chosen: datetime | None, shown: datetime, proposed: datetime) -> datetime:
    """The proposal to the microsecond unless another minute was chosen."""
    return proposed if chosen is None or chosen == shown else chosen.replace(tzinfo=proposed.tzinfo) + (
        proposed.replace(tzinfo=None, second=0, microsecond=0) - shown
    )  # fmt: skip


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last, or says what was done in it. Called once, outside the region."""
    outcomes.show("ruling")
    ruling: Ruling | None = st.session_state.pop(_ASKING, None)
    if ruling:
        ask(t(f"held.{ruling.decision}.title"), dialog, ruling, icon=":material/gavel:")


def dialog(ruling: Ruling) -> None:
    """Says what it means in money, and decides on one explicit press."""
    viewer = require_viewer(door.CPO)
    row, language = ruling.session, viewer.language
    st.markdown(
        f"{t('session.number', n=row['transaction_id'])} · **{plain(row['charger_id'])}** · {plain(ruling.note)}"
    )
    st.info(
        t(
            f"held.{ruling.decision}.consequence",
            meter=f.register(row["energy_wh"], language),
            energy=f"{f.number(float(ruling.energy_wh) / 1000, language, 3)} kWh",
        ),
        icon=":material/payments:",
    )
    left, right = st.columns(2)
    if left.button(
        t(f"held.{ruling.decision}.confirm"), key="confirm", type="primary", width="stretch"
    ) and send(viewer, ruling):  # fmt: skip
        st.rerun()
    if right.button(t("order.cancel"), key="cancel", width="stretch"):
        st.rerun()


def send(viewer: Viewer, ruling: Ruling) -> bool:
    """Sends the decision and goes on to the next session; False when it was refused or the API is down."""
    try:
        viewer.api.post(route("sessions", ruling.session["id"], "review"), ruling.body())
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
        return False
    except ApiRefused as refusal:
        failed(refusal)
        return False
    desk.forget()
    number = t("session.number", n=ruling.session["transaction_id"])
    outcomes.keep("ruling", t("deed.done", what=t(f"held.{ruling.decision}.title"), about=number))
    set_param("session", ruling.next_id if ruling.next_id != ruling.session["id"] else None)
    return True
