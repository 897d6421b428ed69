"""What a held session's reasons rest on, in words, and as a row of the export."""

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.panel import link
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.cpo.rows import Row

CSV_COLUMNS = (
    "id", "transaction_id", "station_name", "charger_id", "evse_id", "id_token", "started_at", "stopped_at",
    "meter_start_wh", "meter_stop_wh", "energy_wh", "review_reasons", "billing_state", "billable_energy_wh", "held_at",
    "proposed_energy_wh", "proposed_method", "decision", "decided_at", "decided_by_name", "note",
)  # fmt: skip


def lines(row: Row, viewer: Viewer) -> list[tuple[str, str | Markup]]:
    """What the reasons rest on, in words; measures that are in order are left out."""
    language, zone, found = viewer.language, row["station_timezone"], row["evidence"]
    found_lines: list[tuple[str, str | Markup]] = [
        (t("session.meter_start"), f.register(row["meter_start_wh"], language)),
        (t("session.meter_stop"), f.register(row["meter_stop_wh"], language)),
        (t("held.meter_energy"), f.register(found["meter_energy_wh"], language)),
        (t("held.limit"), t("held.limit_value", limit=f.register(found["limit_wh"], language),
                            power=f.power(found["rated_power_w"], language))),
        (t("held.readings"), f.number(found["readings"], language)),
    ]  # fmt: skip
    for kind in ("falls", "jumps"):
        found_lines += [(t(f"held.{kind}"), _step(step, zone, viewer)) for step in found[kind]]
    if gap := found["longest_gap"]:
        found_lines.append(
            (t("held.gap"), f"{f.duration(gap['duration_s'], language)}, {f.when(gap['from'], zone, language)}")
        )
    found_lines += [(t("held.overlap"), _overlap(other, viewer)) for other in found["overlaps"]]
    if found["clock_lag_s"] is not None:
        lag = f.duration(found["clock_lag_s"], language)
        found_lines.append(
            (t("held.clock"), t("held.clock_behind", lag=lag) if found["clock_lag_s"] else t("held.clock_wrong"))
        )
    if found["closed_by_us"]:
        found_lines.append((t("held.closed"), t(f"held.closed_by.{found['closed_by_us']}")))
    elif "negative_duration" in row["review_reasons"]:
        found_lines.append((t("held.stop_claimed"), f.when(found["stop_claimed_at"], zone, language)))
    for stop in found.get("other_stops", ()):
        told = f"{f.register(stop['register_wh'], language)} ({f.when(stop['at'], zone, language)})"
        found_lines.append((t("held.other_stop"), told))
    return found_lines


def _step(step: Row, zone: str | None, viewer: Viewer) -> str:
    language = viewer.language
    registers = f"{f.register(step['from_wh'], language)} → {f.register(step['to_wh'], language)}"
    return f"{registers} ({f.when(step['to'], zone, language)})"


def _overlap(other: Row, viewer: Viewer) -> Markup:
    number = link("session", t("session.number", n=other["transaction_id"]), session=other["session_id"])
    return Markup("{}, {}").format(number, f.duration(other["duration_s"], viewer.language))


def flat(row: Row) -> Row:
    """A review with its proposal in columns."""
    proposal = row["proposal"]
    return {**row, "proposed_energy_wh": proposal["energy_wh"], "proposed_method": proposal["method"]}
