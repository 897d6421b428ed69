"""Which firmware deviates from the standard, how, and which rule treats it: a table, the same in both dashboards."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.choices import dropdown
from dashboards.common.desk import Answer, read
from dashboards.common.panel import ago, draw
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_button, empty, line, table

Row = dict[str, Any]
CAP = 2_000
COLUMNS = ("quirk_firmware", "quirk", "quirk_chargers", "quirk_count", "quirk_last", "quirk_rule", "quirk_example")
FIELDS = (
    "vendor", "model", "firmware_version", "quirk", "chargers_affected", "chargers_total", "share", "occurrences",
    "first_at", "last_at", "example",
)  # fmt: skip


def word(quirk: str) -> str:
    """Our words for a deviation; one that a newer platform counts keeps its code."""
    return t(f"quirk.{quirk}") if known(f"quirk.{quirk}") else quirk


def firmware(row: Row) -> str:
    parts = (row["vendor"], row["model"], row["firmware_version"])
    return " · ".join(part for part in parts if part) or t("quirks.untold")


def scorecard(viewer: Viewer) -> None:
    """The worst first: by how many chargers show it, then how often."""
    answer = read(viewer, "/api/quirks", cap=CAP)
    if not answer.items:
        return empty("quirks.none", key="no_quirks")
    rows = _chosen(answer)
    draw(as_of(answer, t("quirks.explain")), "as_of")
    ordered = sorted(rows, key=lambda row: (-row["chargers_affected"], -row["occurrences"], row["quirk"]))
    cells = [_line(row, viewer) for row in ordered]
    draw(table(COLUMNS, cells, numbers=("quirk_chargers", "quirk_count")), "card")
    csv_button(ordered, FIELDS, "quirks", more=answer.more)


def _chosen(answer: Answer) -> list[Row]:
    one, two = st.columns(2)
    with one:
        names = sorted({firmware(row) for row in answer.items})
        wanted = dropdown("firmware", t("column.quirk_firmware"), names, lambda name: name, t("quirks.all_firmware"))
    with two:
        kinds = sorted({row["quirk"] for row in answer.items}, key=word)
        quirk = dropdown("quirk", t("column.quirk"), kinds, word, t("quirks.all"))
    rows = answer.items
    return [row for row in rows if wanted in (None, firmware(row)) and quirk in (None, row["quirk"])]


def _line(row: Row, viewer: Viewer) -> Markup:
    share = t(
        "quirks.share",
        n=f.number(row["chargers_affected"], viewer.language),
        total=f.number(row["chargers_total"], viewer.language),
        share=f.percent(row["share"] * 100, viewer.language),
    )
    number = f.number(row["occurrences"], viewer.language)
    cells = (firmware(row), named(row), share, number, ago(row["last_at"]), _rules(row), example(row))
    return line(*cells, numbers=(2, 3))


def _rules(row: Row) -> Markup:
    """Rules meant for this deviation of this firmware, with their state in words."""
    if not row["rules"]:
        return Markup('<span class="soft">{}</span>').format(t("quirks.no_rule"))
    return Markup("<br>").join(
        Markup('{} <span class="soft">({})</span>').format(
            rule["name"], t("quirks.rule_on" if rule["enabled"] else "quirks.rule_off")
        )
        for rule in row["rules"]
    )


def named(row: Row) -> Markup:
    """The deviation in words, its code below."""
    return Markup('<b>{}</b><br><span class="soft">{}</span>').format(word(row["quirk"]), row["quirk"])


def example(row: Row) -> Markup:
    """The latest case, folded."""
    if not row["example"]:
        return Markup("–")
    name = f"{row['vendor']}{row['model']}{row['firmware_version']}{row['quirk']}"
    return Markup('<details id="q{}"><summary>{}</summary><pre>{}</pre></details>').format(
        name, t("quirks.show"), row["example"]
    )
