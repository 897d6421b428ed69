"""What somebody should look at: chargers that misbehave, newest first."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.choices import chips
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_button, empty, line, table
from dashboards.cpo import data

STATES = ("open", "closed")
COLUMNS = ("alarm", "charger", "count", "first_seen", "last_seen", "state")
FIELDS = ("id", "kind", "charger_id", "remote_address", "count", "opened_at", "last_seen_at", "closed_at")


def kind_word(kind: str) -> str:
    """The kind in words; one that this screen does not know yet, as it is."""
    return t(f"alarm.kind.{kind}") if known(f"alarm.kind.{kind}") else kind.replace("_", " ")


def page(viewer: Viewer) -> None:
    state = chips("state", t("column.state"), STATES, lambda code: t(f"alarm.{code}")) or "open"
    answer = data.alarms(viewer, open_only=state == "open")
    rows = [row for row in answer.items if (row["closed_at"] is None) == (state == "open")]
    draw(as_of(answer), "as_of")
    if not rows:
        return empty("alarm.calm" if state == "open" else "alarm.none", key="no_alarms")
    draw(table(COLUMNS, [_row(row, viewer) for row in rows], numbers=("count",)), "alarms")
    csv_button(rows, FIELDS, "alarms", more=answer.more)


def _words(row: dict[str, Any], viewer: Viewer) -> Markup:
    """What is wrong, and why or by when, where the platform knows it."""
    why = f"security.reason.{row['detail'].get('reason')}"
    told = Markup("<b>{}</b>").format(kind_word(row["kind"]))
    if ends := row["detail"].get("not_after"):
        return told + Markup("<br>{}").format(t("alarm.ends", when=f.when(ends, None, viewer.language)))
    return told + Markup("<br>{}").format(t(why)) if known(why) else told


def _row(row: dict[str, Any], viewer: Viewer) -> Markup:
    charger = row["charger_id"]
    return line(
        _words(row, viewer),
        link("charger", charger, charger=charger) if charger else row["remote_address"] or "–",
        f.number(row["count"], viewer.language),
        ago(row["opened_at"]),
        ago(row["last_seen_at"]),
        t("alarm.closed" if row["closed_at"] else "alarm.open"),
        numbers=(2,),
    )


st.title(t("cpo.alarms.title"))
live(door.CPO, page)
