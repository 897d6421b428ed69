"""Revenue shares on the screen, the same in both dashboards: what is kept, the least fees, how often is settled."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.desk import Answer, read
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import line, table

COLUMNS = (
    "share_state", "valid_from", "valid_until", "cpo_percent", "session_fee", "month_fee", "cycle", "note", "who",
)  # fmt: skip
_CAP = 500

Row = dict[str, Any]


def shares(viewer: Viewer, cpo_id: str) -> Answer:
    """What a CPO keeps, newest first."""
    return read(viewer, route("cpo", cpo_id, "revenue-shares"), cap=_CAP)


def today() -> date:
    """The day of settlements."""
    return datetime.now(ZoneInfo("Asia/Jakarta")).date()


def state(row: Row) -> str:
    """`coming`, `now` or `past`, as of today."""
    if date.fromisoformat(row["valid_from"]) > today():
        return "coming"
    ends = row["valid_until"]
    return "past" if ends and date.fromisoformat(ends) <= today() else "now"


def listing(viewer: Viewer, rows: Sequence[Row]) -> Markup:
    """All of them as a table; the one that holds today is marked in words."""
    cells = (
        line(
            Markup("<b>{}</b>" if state(row) == "now" else "{}").format(t(f"revenue.state.{state(row)}")),
            day(row["valid_from"]),
            day(row["valid_until"]) if row["valid_until"] else t("revenue.open"),
            percent(row["cpo_percent"], viewer),
            rupiah(row["session_minimum_fee"], viewer),
            rupiah(row["month_minimum_fee"], viewer),
            t(f"revenue.cycle.{row['settlement_cycle']}"),
            row["note"] or "",
            row["created_by_name"],
            numbers=(3, 4, 5),
        )
        for row in rows
    )
    return table(COLUMNS, cells, numbers=("cpo_percent", "session_fee", "month_fee"))


def day(iso: str) -> str:
    """`21/11/2026`: agreements last for years, so the year is told."""
    return f"{date.fromisoformat(iso):%d/%m/%Y}"


def percent(share: str | float, viewer: Viewer) -> str:
    """`87,50 %`."""
    return f"{f.number(float(share), viewer.language, 2)} %"


def rupiah(amount: str, viewer: Viewer) -> str:
    """`Rp 250`."""
    return f"Rp {f.number(float(amount), viewer.language)}"
