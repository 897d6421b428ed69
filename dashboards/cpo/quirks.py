"""Which firmware deviates from the standard: a scorecard over all chargers, or what one of them did. `?charger=…`"""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.choices import dropdown, param
from dashboards.common.desk import Answer, find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, csv_button, empty, line, table

CAP = 2_000
CARD = ("quirk_firmware", "quirk", "quirk_chargers", "quirk_count", "quirk_last", "quirk_example")
ONE = ("quirk", "quirk_firmware", "quirk_count", "quirk_first", "quirk_last", "quirk_example")
FIELDS = (
    "vendor", "model", "firmware_version", "quirk", "chargers_affected", "chargers_total", "share", "occurrences",
    "first_at", "last_at", "example",
)  # fmt: skip


def word(quirk: str) -> str:
    """Our words for a deviation; one that a newer platform counts keeps its code."""
    return t(f"quirk.{quirk}") if known(f"quirk.{quirk}") else quirk


def firmware(row: dict[str, Any]) -> str:
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
    draw(table(CARD, [_card_line(row, viewer) for row in ordered], numbers=("quirk_chargers", "quirk_count")), "card")
    csv_button(ordered, FIELDS, "quirks", more=answer.more)


def _chosen(answer: Answer) -> list[dict[str, Any]]:
    one, two = st.columns(2)
    with one:
        names = sorted({firmware(row) for row in answer.items})
        wanted = dropdown("firmware", t("column.quirk_firmware"), names, lambda name: name, t("quirks.all_firmware"))
    with two:
        kinds = sorted({row["quirk"] for row in answer.items}, key=word)
        quirk = dropdown("quirk", t("column.quirk"), kinds, word, t("quirks.all"))
    rows = answer.items
    return [row for row in rows if wanted in (None, firmware(row)) and quirk in (None, row["quirk"])]


def _card_line(row: dict[str, Any], viewer: Viewer) -> Markup:
    share = t(
        "quirks.share",
        n=f.number(row["chargers_affected"], viewer.language),
        total=f.number(row["chargers_total"], viewer.language),
        share=f.percent(row["share"] * 100, viewer.language),
    )
    number = f.number(row["occurrences"], viewer.language)
    return line(firmware(row), _named(row), share, number, ago(row["last_at"]), _example(row), numbers=(2, 3))


def _named(row: dict[str, Any]) -> Markup:
    return Markup('<b>{}</b><br><span class="soft">{}</span>').format(word(row["quirk"]), row["quirk"])


def _example(row: dict[str, Any]) -> Markup:
    if not row["example"]:
        return Markup("–")
    name = f"{row['vendor']}{row['model']}{row['firmware_version']}{row['quirk']}"
    return Markup('<details id="q{}"><summary>{}</summary><pre>{}</pre></details>').format(
        name, t("quirks.show"), row["example"]
    )


def of_charger(viewer: Viewer, charger_id: str) -> None:
    """What one charger did, under each firmware it ran."""
    answer = find(viewer, f"/api/chargers/{charger_id}/quirks", limit=200)
    if answer is None:
        return empty("charger.none", key="no_charger")
    if not answer.items:
        return empty("quirks.well_behaved", key="no_quirks")
    draw(as_of(answer), "as_of")
    rows = [
        line(
            _named(row), firmware(row), f.number(row["occurrences"], viewer.language), ago(row["first_at"]),
            ago(row["last_at"]), _example(row), numbers=(2,),
        )
        for row in answer.items
    ]  # fmt: skip
    draw(table(ONE, rows, numbers=("quirk_count",)), "card")


def room(viewer: Viewer) -> None:
    charger_id = param("charger")
    if charger_id is None:
        return scorecard(viewer)
    crumbs(("quirks", t("cpo.quirks.title"), {}), here=charger_id)
    of_charger(viewer, charger_id)
    draw(Markup("<p>{}</p>").format(link("message_log", t("quirks.messages"), charger=charger_id)), "messages_link")


require_viewer(door.CPO)
st.title(t("cpo.quirks.title"))
live(door.CPO, room, every=30)
