"""Bars of a few numbers as plain HTML: on the page at once, where plotly would bring a program of megabytes first."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.panel import draw
from dashboards.common.texts import Language, t


def energy_by_day(rows: Sequence[dict[str, Any]], language: Language) -> None:
    """kWh per day, each bar with its figure; its energy and sessions when it is pointed at."""
    ordered = sorted(rows, key=lambda row: str(row["day"]))
    best = max(ordered, key=lambda row: row["energy_wh"])
    total = f.energy(sum(row["energy_wh"] for row in ordered), language)
    alt = t("chart.energy_alt", n=len(ordered), total=total, best=f.day(best["day"], language))
    bars = Markup().join(_bar(row, best["energy_wh"], language) for row in ordered)
    draw(
        Markup(
            '<figure class="bars"><span class="unit">kWh</span><ol role="img" aria-label="{}">{}</ol>'
            "<figcaption>{}</figcaption></figure>"
        ).format(alt, bars, alt),
        "energy_chart",
    )


def _bar(row: dict[str, Any], most_wh: float, language: Language) -> Markup:
    day, energy = f.day(row["day"], language), f.energy(row["energy_wh"], language)
    share = row["energy_wh"] / most_wh if most_wh > 0 else 0
    return Markup('<li title="{}"><span class="box"><b>{}</b><i style="--share:{:.3f}"></i></span>{}</li>').format(
        t("chart.energy_bar", day=day, energy=energy, n=f.number(row["sessions"], language)),
        f.number(row["energy_wh"] / 1000, language),
        share,
        day,
    )
