"""Charts, drawn by the plotly that Streamlit brings along: no network. Each has a text alternative."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboards.common import formats as f
from dashboards.common.texts import Language, t

POWER = "#2F86C5"
SOC = "#C77F0A"
_CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True}


def session_curve(readings: Sequence[dict[str, Any]], zone_name: str | None, language: Language) -> None:
    """Power (kW, left) and state of charge (%, right) over station time."""
    zone = f.zone(zone_name)
    times = [moment.astimezone(zone).replace(tzinfo=None) for r in readings if (moment := f.moment(r["measured_at"]))]
    figure = go.Figure()
    powers = [None if r["power_w"] is None else r["power_w"] / 1000 for r in readings]
    figure.add_scatter(x=times, y=powers, name=t("chart.power"), line={"color": POWER, "width": 2.5}, mode="lines")
    socs = [r["soc_percent"] for r in readings]
    if any(soc is not None for soc in socs):
        figure.add_scatter(
            x=times,
            y=socs,
            name=t("chart.soc"),
            yaxis="y2",
            line={"color": SOC, "width": 2, "dash": "dash"},
            mode="lines",
        )
        figure.update_layout(
            yaxis2={
                "overlaying": "y",
                "side": "right",
                "range": [0, 102],
                "tickvals": [0, 25, 50, 75, 100],
                "title": "%",
                "showgrid": False,
            }
        )
    _finish(figure, language, height=340, y_title="kW")
    figure.update_layout(
        legend={"orientation": "h", "y": 1.12, "x": 0},
        hovermode="x unified",
        showlegend=True,
        xaxis={"tickformatstops": _clock(language), "hoverformat": "%d/%m %H:%M:%S"},
    )
    known = [p for p in powers if p is not None]
    peak = f.power(max(known) * 1000 if known else None, language)
    last_soc = next((s for s in reversed(socs) if s is not None), None)
    alt = t("chart.session_alt", peak=peak, zone=f.zone_letters(zone_name))
    if last_soc is not None:
        alt += " " + t("chart.session_soc", soc=f.percent(last_soc, language))
    st.plotly_chart(figure, key="session_chart", config=_CONFIG, alt=alt)
    st.caption(alt)


def register_curve(
    readings: Sequence[dict[str, Any]], ends: Sequence[dict[str, Any]], zone_name: str | None, language: Language
) -> None:
    """The meter's register (kWh) over station time: a line through the readings, start and stop as diamonds."""
    zone = f.zone(zone_name)
    figure = go.Figure()
    for rows, name, style in (
        (readings, t("chart.register"), {"mode": "lines+markers", "line": {"color": POWER, "width": 2}}),
        (
            ends,
            t("chart.register_ends"),
            {"mode": "markers", "marker": {"symbol": "diamond", "size": 11, "color": SOC}},
        ),
    ):
        times = [at.astimezone(zone).replace(tzinfo=None) for r in rows if (at := f.moment(r["measured_at"]))]
        figure.add_scatter(x=times, y=[r["energy_wh"] / 1000 for r in rows], name=name, **style)
    _finish(figure, language, height=300, y_title="kWh")
    figure.update_layout(
        yaxis={"rangemode": "normal"},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        showlegend=True,
        xaxis={"tickformatstops": _clock(language), "hoverformat": "%d/%m %H:%M:%S"},
    )
    first, last = (f.register(ends[place]["energy_wh"] if ends else None, language) for place in (0, -1))
    alt = t("chart.register_alt", zone=f.zone_letters(zone_name), first=first, last=last, n=len(readings))
    st.plotly_chart(figure, key="register_chart", config=_CONFIG, alt=alt)
    st.caption(alt)


def _clock(language: Language) -> list[dict[str, Any]]:
    """Seconds on the axis only while less than a minute lies between two ticks."""
    point = "." if language == "id" else ":"
    return [
        {"dtickrange": [None, 59_999], "value": f"%H{point}%M{point}%S"},
        {"dtickrange": [60_000, None], "value": f"%H{point}%M"},
    ]


def _finish(figure: go.Figure, language: Language, *, height: int, y_title: str) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        separators=",." if language == "id" else ".,",
        yaxis={"title": y_title, "rangemode": "tozero"},
        bargap=0.35,
        showlegend=False,
    )
