"""Campaigns: one change over many chargers. The list, one of them with its dry run and results, or a new one.

`?campaign=…`, `?new=1`
"""

from functools import partial
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, outcomes, pager
from dashboards.common import formats as f
from dashboards.common.api import ApiDown
from dashboards.common.choices import chips, param
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, csv_of_list, empty, line, plain, table
from dashboards.cpo import campaign_draft, deeds
from dashboards.cpo.deeds import Deed

Row = dict[str, Any]
PAGE_ROWS = 50
LIST = ("campaign", "campaign_kind", "campaign_state", "campaign_done", "campaign_failed", "campaign_made")
RESULTS = ("charger", "station", "firmware", "campaign_wave", "campaign_state", "campaign_reason", "ended")
CANDIDATES = ("charger", "station", "firmware", "campaign_wave", "campaign_change", "campaign_reason")
FIELDS = (
    "charger_id", "station_name", "vendor", "model", "firmware_version", "wave", "state", "reason", "begun_at",
    "ended_at",
)  # fmt: skip
CAMPAIGN_FIELDS = (
    "id", "name", "kind", "state", "state_reason", "wave", "wave_count", "waiting", "running", "succeeded", "failed",
    "skipped", "aborted", "created_at", "started_at", "ended_at",
)  # fmt: skip
STATES = ("waiting", "running", "succeeded", "failed", "skipped", "aborted")
# What may be asked of a campaign in a state, besides to abort it, and how it looks.
MOVES = {"running": ("pause", ":material/pause:"), "paused": ("resume", ":material/play_arrow:")}


def may_write(viewer: Viewer) -> bool:
    return viewer.may("campaigns:write")


def listing(viewer: Viewer) -> None:
    walked = pager.trail("campaigns", None)
    answer = read(viewer, "/api/campaigns", cursor=walked[-1], limit=PAGE_ROWS)
    if not answer.items:
        return empty("campaigns.none", key="no_campaigns")
    draw(as_of(answer), "as_of")
    draw(table(LIST, [_campaign_line(row, viewer) for row in answer.items]), "campaigns")
    pager.turn("campaigns", walked, answer.data.get("next_cursor"))
    csv_of_list(viewer, "/api/campaigns", {}, CAMPAIGN_FIELDS, "campaigns")


def _campaign_line(row: Row, viewer: Viewer) -> Markup:
    touched = _touched(row)
    done = f"{f.number(row['succeeded'], viewer.language)} / {f.number(touched, viewer.language)}"
    return line(
        link("campaigns", row["name"], campaign=row["id"]), t(f"campaigns.kind.{row['kind']}"), _state(row),
        done if touched else "–", f.number(row["failed"], viewer.language), ago(row["created_at"]),
    )  # fmt: skip


def _touched(row: Row) -> int:
    """How many chargers a started campaign is about."""
    return sum(int(row[state]) for state in STATES if state != "skipped")


def _state(row: Row) -> Markup:
    css = "alert" if row["state"] == "paused" else ""
    return Markup('<span class="{}">{}</span>').format(css, t(f"campaigns.state.{row['state']}"))


def one(viewer: Viewer) -> None:
    """A campaign as it stands now."""
    found = find(viewer, f"/api/campaigns/{param('campaign')}")
    if found is None:
        return empty("campaigns.gone", key="no_campaign")
    row = found.data
    draw(as_of(found, t(f"campaigns.kind.{row['kind']}"), t(f"campaigns.state.{row['state']}")), "as_of")
    if row["state_reason"]:
        st.warning(plain(_reason(row["state_reason"])), icon=":material/front_hand:")
    if row["state"] == "draft":
        return _dry_run(viewer, row)
    _progress(row, viewer)
    _moves(viewer, row)
    _results(viewer, row)


def _progress(row: Row, viewer: Viewer) -> None:
    touched = _touched(row)
    over = touched - row["waiting"] - row["running"]
    st.progress(over / touched if touched else 0.0, t("campaigns.wave_of", wave=row["wave"], waves=row["wave_count"]))
    for column, state in zip(st.columns(len(STATES)), STATES, strict=True):
        column.metric(t(f"campaigns.target.{state}"), f.number(row[state], viewer.language))


def _moves(viewer: Viewer, row: Row) -> None:
    """Pausing is taken back at any time; aborting never, so it asks for the number of chargers as starting does."""
    if not may_write(viewer) or row["state"] not in MOVES:
        return
    move, icon = MOVES[row["state"]]
    if st.button(t(f"campaigns.{move}"), icon=icon, key=move):
        send(viewer, row, move, None)
    with st.expander(t("campaigns.abort"), icon=":material/stop:"):
        st.warning(
            t("campaigns.abort_ask", waiting=f.number(row["waiting"], viewer.language), n=_touched(row)),
            icon=":material/warning:",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            typed = st.text_input(t("campaigns.start_count"), key="typed_abort", live="400ms").strip()
            sure = typed == str(_touched(row))
            if st.button(t("campaigns.abort"), icon=":material/stop:", key="abort", disabled=not sure):
                send(viewer, row, "abort", None)


def _results(viewer: Viewer, row: Row) -> None:
    state = chips("state", t("column.campaign_state"), STATES, lambda code: t(f"campaigns.target.{code}"))
    walked = pager.trail("results", (row["id"], state))
    path = f"/api/campaigns/{row['id']}/results"
    answer = read(viewer, path, state=state, cursor=walked[-1], limit=PAGE_ROWS)
    rows = [
        line(
            link("charger", target["charger_id"], charger=target["charger_id"]), target["station_name"] or "–",
            target["firmware_version"] or "–", target["wave"] or "–", t(f"campaigns.target.{target['state']}"),
            _reason(target["reason"]), ago(target["ended_at"]) if target["ended_at"] else "–",
        )
        for target in answer.items
    ]  # fmt: skip
    draw(table(RESULTS, rows), "results")
    pager.turn("results", walked, answer.data.get("next_cursor"))
    csv_of_list(viewer, path, {"state": state}, FIELDS, f"campaign-{row['id'][:8]}")


def _dry_run(viewer: Viewer, row: Row) -> None:
    """What would happen; nothing has been asked of any charger."""
    told = read(viewer, f"/api/campaigns/{row['id']}/dry-run").data
    for column, name in zip(st.columns(5), ("touched", "skipped", "waves", "offline", "busy"), strict=True):
        column.metric(
            t(f"campaigns.dry.{name}"), f.number(told[name], viewer.language), help=t(f"campaigns.help.{name}")
        )
    if not told["touched"]:
        empty("campaigns.nothing_to_do" if told["skipped"] else "campaigns.fits_nobody", key="nobody")
    if told["touched"] or told["skipped"]:
        _candidates(viewer, row)
    if may_write(viewer):
        if told["touched"]:
            _start(viewer, row, told["touched"])
        deed = Deed("delete_campaign", row["name"], "DELETE", f"/api/campaigns/{row['id']}", ends="campaign")
        deeds.button(deed, viewer, place="draft", icon=":material/delete:")


def _candidates(viewer: Viewer, row: Row) -> None:
    walked = pager.trail("candidates", row["id"])
    path = f"/api/campaigns/{row['id']}/candidates"
    answer = read(viewer, path, cursor=walked[-1], limit=PAGE_ROWS)
    draw(table(CANDIDATES, [_candidate(candidate) for candidate in answer.items]), "candidates")
    pager.turn("candidates", walked, answer.data.get("next_cursor"))


def _candidate(row: Row) -> Markup:
    hints = [
        t(f"campaigns.hint.{name}") for name, on in (("offline", not row["connected"]), ("busy", row["busy"])) if on
    ]
    why = _reason(row["reason"]) if row["reason"] else ", ".join(hints)
    return line(
        link("charger", row["charger_id"], charger=row["charger_id"]), row["station_name"] or "–",
        row["firmware_version"] or "–", row["wave"] or "–", _changes(row["changes"]), why,
    )  # fmt: skip


def _changes(changes: list[Row]) -> Markup:
    shown = [
        Markup("<div><b>{}</b> {}</div>").format(
            change["key"], f"{change.get('from') or '–'} → {change['to']}" if "to" in change else ""
        )
        for change in changes[:20]
    ]
    return Markup().join(shown) or Markup("–")


def _start(viewer: Viewer, row: Row, touched: int) -> None:
    """Whoever starts it types how many chargers it will touch."""
    st.info(t("campaigns.start_ask", n=touched), icon=":material/info:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(t("campaigns.start_count"), key="typed_count").strip()
        ready = typed == str(touched)
        if st.button(
            t("campaigns.start"), icon=":material/rocket_launch:", key="start", type="primary", disabled=not ready
        ):
            send(viewer, row, "start", {"expected": touched})


def _reason(code: str | None) -> str:
    """Our words for a reason, with what the charger added; its own words stay as they are."""
    if not code:
        return "–"
    name, _, rest = code.partition(": ")
    ours = f"campaigns.reason.{name}"
    return ": ".join(part for part in (t(ours) if known(ours) else name, rest) if part)


def send(viewer: Viewer, row: Row, move: str, body: Any) -> None:
    """Asks the API, and shows what became of it."""
    ask = partial(viewer.api.call, "POST", f"/api/campaigns/{row['id']}/{move}", body=body)
    outcomes.attempt("campaign", ask, t(f"campaigns.done.{move}", name=plain(row["name"])))
    st.rerun(scope="app")


def pace(viewer: Viewer) -> float | None:
    """Seconds between looks. A dry run is looked at when somebody asks for it: it goes through the whole fleet."""
    try:
        found = find(viewer, f"/api/campaigns/{param('campaign')}") if param("campaign") else None
    except ApiDown:
        return 3
    return None if found and found.data["state"] == "draft" else 3


def room(viewer: Viewer) -> None:
    if param("campaign"):
        outcomes.show("campaign")
        one(viewer)
    else:
        listing(viewer)


person = require_viewer(door.CPO)
deeds.ask_if_pressed()
st.title(t("cpo.campaigns.title"))
if param("campaign") or param("new"):
    crumbs(("campaigns", t("cpo.campaigns.title"), {}), here=t("campaigns.new" if param("new") else "campaigns.this"))
if param("new") and may_write(person):
    campaign_draft.wizard(person)
else:
    if may_write(person) and not param("campaign"):
        draw(Markup("<p>{}</p>").format(link("campaigns", t("campaigns.new"), new=1)), "new_link")
    live(door.CPO, room, every=pace(person))
