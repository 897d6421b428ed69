"""One charging session: the curve, the meter, why it stopped, and why it is held if it is. `?session=…`"""

from datetime import timedelta

import streamlit as st
from markupsafe import Markup

from dashboards.common import charts, door
from dashboards.common import formats as f
from dashboards.common.choices import param
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, crumbs, csv_button, empty, plain
from dashboards.cpo import data
from dashboards.cpo.rows import Row, header

UNTIL_AFTER_END = timedelta(minutes=5)
CSV_COLUMNS = (
    "measured_at", "context", "energy_wh", "power_w", "current_a", "voltage_v", "soc_percent", "temperature_c",
)  # fmt: skip


def page(viewer: Viewer) -> None:
    found = data.session(viewer, param("session") or "")
    if found is None:
        return empty("session.none", key="no_session")
    row = found.data
    crumbs(
        ("live", t("cpo.live.title"), {}),
        ("live", row["station_name"] or "–", {"station": row["station_id"]}),
        ("charger", row["charger_id"], {"charger": row["charger_id"]}),
        here=t("session.number", n=row["transaction_id"]),
    )
    draw(_header(row, viewer), "session_head")
    draw(as_of(found), "as_of")
    draw(_to_timeline(row), "to_timeline")
    _review(row)
    _curve(row, viewer)
    left, right = st.columns(2)
    with left:
        st.subheader(t("session.meter"))
        draw(_facts(_meter(row, viewer)), "meter")
    with right:
        st.subheader(t("session.course"))
        draw(_facts(_course(row, viewer)), "course")


def _header(row: Row, viewer: Viewer) -> Markup:
    state = t("sessions.running") if row["open"] else t("sessions.ended")
    return header(
        t("session.number", n=row["transaction_id"]),
        f"{row['station_name'] or '–'} · {row['charger_id']} · {t('live.connector_n', n=row['evse_id'])}",
        (t("column.state"), state),
        (t("column.energy"), f.energy(row["energy_wh"], viewer.language)),
        (t("column.power"), f.power(row["last_power_w"], viewer.language) if row["open"] else "–"),
        (t("column.soc"), f.percent(row["last_soc_percent"], viewer.language)),
        (t("column.duration"), f.duration(row["duration_s"], viewer.language)),
        (t("column.reading"), ago(row["last_reading_at"], stale=False)),
    )


def _to_timeline(row: Row) -> Markup:
    """What happened at this connector, up to shortly after the end."""
    ended = f.moment(row["stopped_at"])
    until = (ended + UNTIL_AFTER_END).isoformat() if ended else None
    place = {"charger": row["charger_id"], "evse": row["evse_id"], "until": until}
    return link("charger", t("session.timeline"), **place)


def _review(row: Row) -> None:
    """A session that is held says in words what was not plausible; one that was decided says what is billed."""
    if row["billing_state"] in ("approved", "corrected", "void"):
        st.info(t(f"billing.{row['billing_state']}"), icon=":material/gavel:")
        return draw(link("held", t("session.to_review"), session=row["id"], state=row["billing_state"]), "to_review")
    if row["review_reasons"]:
        draw(link("held", t("session.to_review"), session=row["id"]), "to_review")
    for reason in row["review_reasons"]:
        key = f"review.{reason}"
        st.warning(t(key) if known(key) else t("review.other", reason=plain(reason)), icon=":material/front_hand:")


def _curve(row: Row, viewer: Viewer) -> None:
    st.subheader(t("session.curve"))
    readings = row["readings"]
    if not any(reading["power_w"] is not None for reading in readings):
        return empty("session.no_readings", key="no_readings")
    charts.session_curve(readings, row["station_timezone"], viewer.language)
    if row.get("readings_total", 0) > len(readings):
        st.caption(t("session.thinned", n=len(readings), total=row["readings_total"]))
    csv_button(readings, CSV_COLUMNS, f"session-{row['transaction_id']}")


def _meter(row: Row, viewer: Viewer) -> list[tuple[str, str | Markup]]:
    return [
        (t("session.meter_start"), f.register(row["meter_start_wh"], viewer.language)),
        (t("session.meter_stop"), f.register(row["meter_stop_wh"], viewer.language)),
        (t("column.energy"), f.energy(row["energy_wh"], viewer.language)),
        (t("session.plausibility"), t(f"billing.{row['billing_state']}")),
        (t("session.billable"), f.register(row["billable_energy_wh"], viewer.language)),
    ]


def _course(row: Row, viewer: Viewer) -> list[tuple[str, str | Markup]]:
    zone, language = row["station_timezone"], viewer.language
    return [
        (t("column.started"), f.when(row["started_at"], zone, language)),
        (
            t("column.ended"),
            t("sessions.running") if row["open"] else f.when(row["stopped_at"], zone, language),
        ),
        (t("session.stop_reason"), _stop_reason(row)),
        (t("column.id_token"), link("sessions", row["id_token"], token=row["id_token"])),
        (t("column.protocol"), row["protocol"] or "–"),
    ]


def _stop_reason(row: Row) -> str:
    if row["open"] or not row["stop_reason"]:
        return "–"
    key = f"stop.{row['stop_reason']}"
    return f"{t(key)} ({row['stop_reason']})" if known(key) else str(row["stop_reason"])


def _facts(facts: list[tuple[str, str | Markup]]) -> Markup:
    lines = Markup().join(
        Markup('<tr><td class="soft">{}</td><td class="num">{}</td></tr>').format(*fact) for fact in facts
    )
    return Markup("<table><tbody>{}</tbody></table>").format(lines)


live(door.CPO, page, every=5)
