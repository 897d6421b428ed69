"""A schedule of limits as steps over time, with its words for those who do not see it."""

from datetime import timedelta
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboards.common import formats as f
from dashboards.common.charts import POWER
from dashboards.common.texts import Language, t

Row = dict[str, Any]
_CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True}


def steps(schedule: Row) -> tuple[list[float], list[float]]:
    """Seconds after the begin, and limits; the last limit holds to the end, an hour if none is known."""
    periods = schedule["periods"]
    last = periods[-1]["start_s"]
    end = max(schedule.get("duration_s") or 0, last + (3600 if not schedule.get("duration_s") else 1))
    return [*(row["start_s"] for row in periods), end], [*(row["limit"] for row in periods), periods[-1]["limit"]]


def draw_schedule(schedule: Row, language: Language, key: str, zone_name: str | None = None) -> None:
    """Over the clock of the station if the schedule has a begin, else over hours."""
    seconds, limits = steps(schedule)
    begin = f.moment(schedule.get("starts_at"))
    unit = "kW" if schedule["rate_unit"] == "W" else "A"
    shown = [limit / 1000 for limit in limits] if unit == "kW" else limits
    if begin:
        local = begin.astimezone(f.zone(zone_name)).replace(tzinfo=None)
        places: list[Any] = [local + timedelta(seconds=second) for second in seconds]
    else:
        places = [second / 3600 for second in seconds]
    figure = go.Figure(
        go.Scatter(x=places, y=shown, mode="lines", line={"shape": "hv", "color": POWER, "width": 2.5}, fill="tozeroy")
    )
    figure.update_layout(
        height=240, margin={"l": 8, "r": 8, "t": 12, "b": 8}, showlegend=False,
        separators=",." if language == "id" else ".,", yaxis={"title": unit, "rangemode": "tozero"},
        xaxis={"title": "" if begin else t("limits.hours")},
    )  # fmt: skip
    alt = t("limits.alt", n=len(schedule["periods"]), least=f.number(min(shown), language, 1),
            most=f.number(max(shown), language, 1), unit=unit)  # fmt: skip
    st.plotly_chart(figure, key=key, config=_CONFIG, alt=alt)
    st.caption(alt)
