"""Which firmware deviates from the standard: a scorecard over all chargers, or what one of them did. `?charger=…`"""

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param
from dashboards.common.desk import find
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.scorecard import example, firmware, named, scorecard
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty, line, table

ONE = ("quirk", "quirk_firmware", "quirk_count", "quirk_first", "quirk_last", "quirk_example")


def of_charger(viewer: Viewer, charger_id: str) -> None:
    """What one charger did, under each firmware it ran."""
    answer = find(viewer, route("chargers", charger_id, "quirks"), limit=200)
    if answer is None:
        return empty("charger.none", key="no_charger")
    if not answer.items:
        return empty("quirks.well_behaved", key="no_quirks")
    draw(as_of(answer), "as_of")
    rows = [
        line(
            named(row), firmware(row), f.number(row["occurrences"], viewer.language), ago(row["first_at"]),
            ago(row["last_at"]), example(row), numbers=(2,),
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
