"""What somebody should look at, the same in both dashboards, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.choices import chips
from dashboards.common.desk import Answer, read
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_button, empty, line, table

STATES = ("open", "closed")
COLUMNS = ("alarm", "charger", "count", "first_seen", "last_seen", "state")
FIELDS = ("id", "kind", "charger_id", "remote_address", "count", "opened_at", "last_seen_at", "closed_at")
_CAP = 1_000


def kind_word(kind: str) -> str:
    """The kind in words; one that this screen does not know yet, as it is."""
    return t(f"alarm.kind.{kind}") if known(f"alarm.kind.{kind}") else kind.replace("_", " ")


def how_many(viewer: Viewer) -> None:
    """How many alarms are open, when there are any."""
    if not viewer.may("alarms:read"):
        return
    answer = _alarms(viewer, open_only=True)
    if count := len(answer.items):
        said = f.number(count, viewer.language) + ("+" if answer.more else "")
        draw(Markup('<p class="alert">{}</p>').format(link("alarms", t("alarm.count", n=said))), "alarms")


def room(viewer: Viewer, operators: Mapping[str, str] | None = None) -> None:
    """The list. `operators`: names of CPOs by id, for who sees those of all; only a CPO's own chargers have a room to
    go to."""
    state = chips("state", t("column.state"), STATES, lambda code: t(f"alarm.{code}")) or "open"
    answer = _alarms(viewer, open_only=state == "open")
    rows = [row for row in answer.items if (row["closed_at"] is None) == (state == "open")]
    draw(as_of(answer), "as_of")
    if not rows:
        return empty("alarm.calm" if state == "open" else "alarm.none", key="no_alarms")
    columns = COLUMNS if operators is None else (*COLUMNS[:2], "cpo", *COLUMNS[2:])
    draw(table(columns, [_row(row, viewer, operators) for row in rows], numbers=("count",)), "alarms")
    csv_button(rows, FIELDS if operators is None else ("cpo_id", *FIELDS), "alarms", more=answer.more)


def _alarms(viewer: Viewer, *, open_only: bool) -> Answer:
    return read(viewer, "/api/alarms", cap=_CAP, open=open_only)


def _words(row: dict[str, Any], viewer: Viewer) -> Markup:
    """What is wrong, and why or by when, where the platform knows it."""
    why = f"security.reason.{row['detail'].get('reason')}"
    told = Markup("<b>{}</b>").format(kind_word(row["kind"]))
    if ends := row["detail"].get("not_after"):
        return told + Markup("<br>{}").format(t("alarm.ends", when=f.when(ends, None, viewer.language)))
    return told + Markup("<br>{}").format(t(why)) if known(why) else told


def _row(row: dict[str, Any], viewer: Viewer, operators: Mapping[str, str] | None) -> Markup:
    charger = row["charger_id"]
    who = link("charger", charger, charger=charger) if charger and operators is None else charger
    whose = [] if operators is None else [operators.get(row["cpo_id"], "–")]
    return line(
        _words(row, viewer),
        who or row["remote_address"] or "–",
        *whose,
        f.number(row["count"], viewer.language),
        ago(row["opened_at"]),
        ago(row["last_seen_at"]),
        t("alarm.closed" if row["closed_at"] else "alarm.open"),
        numbers=(2 + len(whose),),
    )
