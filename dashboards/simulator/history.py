"""What happened: sessions by the chargers' own books, and everything that was done to them."""

from __future__ import annotations

from datetime import UTC

import streamlit as st

from dashboards.common.widgets import csv_button
from dashboards.simulator.garage import BayView, garage
from dashboards.simulator.texts import w

COLUMNS = (
    "charger_id",
    "connector_id",
    "transaction_id",
    "id_token",
    "started_at",
    "stopped_at",
    "meter_start_wh",
    "meter_stop_wh",
    "energy_wh",
    "stop_reason",
    "start_acknowledged",
    "stop_acknowledged",
    "readings_sent",
    "readings_acknowledged",
)


def page() -> None:
    """Draw everything, again every two seconds."""
    _live()


@st.fragment(run_every=2, key="history")
def _live() -> None:
    views = [view for identity in garage().identities() if (view := garage().view(identity))] + garage().past()
    _sessions(views)
    _events(views)


def _sessions(views: list[BayView]) -> None:
    st.subheader(w("history.sessions"))
    rows = [row for view in views for row in view.sessions]
    if not rows:
        st.markdown(f"**{w('history.none')}**")
        st.write(w("history.none.text"))
        return
    rows.sort(key=lambda row: row["started_at"], reverse=True)
    st.dataframe([{name: row[name] for name in COLUMNS} for row in rows], key="history_sessions", hide_index=True)
    st.caption(w("history.books"))
    csv_button(rows, COLUMNS, "simulator-sessions")


def _events(views: list[BayView]) -> None:
    st.subheader(w("history.events"))
    events = [(event, view.identity) for view in views for event in view.events]
    if not events:
        st.write(w("history.no_events"))
        return
    events.sort(key=lambda pair: pair[0].at, reverse=True)
    st.dataframe(
        [
            {
                "at": event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
                "charger_id": identity,
                "what": event.what,
                "detail": event.detail,
                "answer": event.answer,
            }
            for event, identity in events
        ],
        key="history_events",
        hide_index=True,
    )


page()
