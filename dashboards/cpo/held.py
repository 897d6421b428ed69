"""Sessions that are held: the evidence beside the register, a correction to take over, and the next one by a key."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import charts, door, exports
from dashboards.common import formats as f
from dashboards.common.choices import chips, dropdown, param, set_param
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_bytes, empty, line, plain, table
from dashboards.cpo import data, evidence, rulings
from dashboards.cpo.rows import Row, header

LISTED = 200
REASONS = (
    "register_back", "energy_above_rated", "odometer_jump", "unit_suspect", "negative_duration", "overlap",
    "reading_gap", "clock_off", "stop_missing", "stopped_twice", "changed_after_decision",
)  # fmt: skip
STATES = ("held", "approved", "corrected", "void")
COLUMNS = ("session", "station", "charger", "ended", "energy", "proposed", "reasons")


def filter_bar() -> dict[str, Any]:
    """The query of the API that the filters stand for; what waits for a decision, unless another state is chosen."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        reason = dropdown("reason", t("column.reasons"), REASONS, _reason, t("held.all_reasons"))
    with right:
        state = chips("state", t("column.state"), STATES, lambda code: t(f"billing.{code}"))
    return {"reason": reason, "billing_state": state or "held"}


def page(viewer: Viewer) -> None:
    wanted = filter_bar()
    answer = data.reviews(viewer, wanted, LISTED)
    rows = answer.items
    if not rows:
        return empty(
            "held.empty" if wanted == {"reason": None, "billing_state": "held"} else "held.nothing", key="no_held"
        )
    place = next((n for n, row in enumerate(rows) if row["id"] == param("session")), 0)
    total = f.number(answer.data["total"], viewer.language)
    draw(as_of(answer, t("held.shown", n=f.number(len(rows), viewer.language), total=total)), "as_of")
    with st.container(height=260):
        lines = [_row(row, viewer, marked=n == place) for n, row in enumerate(rows)]
        draw(table(COLUMNS, lines, numbers=("energy", "proposed")), "held")
    _steps(rows, place)
    _case(viewer, rows[place], rows[(place + 1) % len(rows)]["id"])
    _export(viewer, wanted)


def _row(row: Row, viewer: Viewer, *, marked: bool) -> Markup:
    number = link("held", t("session.number", n=row["transaction_id"]), **_address(row))
    return line(
        Markup("<b>▸ {}</b>").format(number) if marked else number,
        row["station_name"] or "–",
        link("charger", f"{row['charger_id']} · {row['evse_id']}", charger=row["charger_id"]),
        f.when(row["stopped_at"], row["station_timezone"], viewer.language),
        f.register(row["energy_wh"], viewer.language),
        f.NONE if row["proposal"]["method"] == "none" else f.register(row["proposal"]["energy_wh"], viewer.language),
        ", ".join(map(_reason, row["review_reasons"])) or "–",
        numbers=(4, 5),
    )


def _address(row: Row) -> dict[str, Any]:
    """The same filters with another session."""
    return {"session": row["id"], "reason": param("reason"), "state": param("state")}


def _steps(rows: list[Row], place: int) -> None:
    """Back and on through the list, also by keys."""
    with st.container(horizontal=True):
        for key, step, icon, shortcut in (
            ("previous", -1, ":material/chevron_left:", "P"),
            ("next", 1, ":material/chevron_right:", "N"),
        ):
            st.button(
                t(f"held.{key}"), key=f"{key}_held", icon=icon, shortcut=shortcut, disabled=len(rows) < 2,
                on_click=set_param, args=("session", rows[(place + step) % len(rows)]["id"]),
            )  # fmt: skip


def _case(viewer: Viewer, row: Row, next_id: str) -> None:
    language, zone = viewer.language, row["station_timezone"]
    draw(
        header(
            t("session.number", n=row["transaction_id"]),
            f"{row['station_name'] or '–'} · {row['charger_id']} · {t('live.connector_n', n=row['evse_id'])}",
            (t("column.started"), f.when(row["started_at"], zone, language)),
            (t("column.duration"), f.duration(row["duration_s"], language)),
            (t("column.id_token"), row["id_token"]),
            (t("column.state"), t(f"billing.{row['billing_state']}")),
        ),
        "case_head",
    )
    left, right = st.columns([3, 2])
    with left:
        for reason in row["review_reasons"]:
            st.warning(t(f"review.{reason}"), icon=":material/front_hand:")
        _chart(viewer, row)
        draw(_facts(evidence.lines(row, viewer)), "evidence")
        draw(link("session", t("held.open_session"), session=row["id"]), "to_session")
    with right:
        _history(row, viewer)
        rulings.form(viewer, row, next_id)


def _chart(viewer: Viewer, row: Row) -> None:
    found = data.session(viewer, row["id"])
    readings = [r for r in found.data["readings"] if r["energy_wh"] is not None] if found else []
    ends = [{"measured_at": row["started_at"], "energy_wh": row["meter_start_wh"]}]
    if not row["evidence"]["closed_by_us"]:
        ends.append({"measured_at": row["stopped_at"], "energy_wh": row["meter_stop_wh"]})
    charts.register_curve(readings, ends, row["station_timezone"], viewer.language)


def _facts(facts: list[tuple[str, str | Markup]]) -> Markup:
    lines = Markup().join(
        Markup('<tr><td class="soft">{}</td><td class="num">{}</td></tr>').format(*fact) for fact in facts
    )
    return Markup("<table><tbody>{}</tbody></table>").format(lines)


def _history(row: Row, viewer: Viewer) -> None:
    """What was decided before, and what became of it."""
    for decided, at in ((row["previous"], "held.reopened"), (row if row["decision"] else None, "held.decided")):
        if decided:
            st.info(
                t(
                    at,
                    decision=t(f"held.{decided['decision']}.done"),
                    who=plain(decided["decided_by_name"] or "–"),
                    when=f.when(decided["decided_at"], row["station_timezone"], viewer.language),
                    energy=f.register(decided["billable_energy_wh"], viewer.language),
                    note=plain(decided["note"] or "–"),
                ),
                icon=":material/history:",
            )


def _reason(code: str) -> str:
    return t(f"held.reason.{code}")


def _export(viewer: Viewer, wanted: dict[str, Any]) -> None:
    """Every session of the list, in the region of the filters: what they leave is what the file holds."""
    exports.offer(
        viewer,
        "held",
        t("held.export"),
        lambda: csv_bytes([evidence.flat(row) for row in _all(viewer, wanted)], evidence.CSV_COLUMNS),
        of=wanted,
        name=exports.stamped("uniev-held-sessions", "csv"),
        mime="text/csv",
    )


def _all(viewer: Viewer, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return viewer.api.pages("/api/sessions/reviews", exports.LIST_CAP, **wanted)[0]


st.title(t("cpo.held.title"))
rulings.ask_if_pressed()
live(door.CPO, page, every=None)
