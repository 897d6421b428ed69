"""Local lists: what each charger keeps, how it differs from the CPO's tokens, and what may be sent. `?charger=…`"""

from functools import partial

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, outcomes, pager
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.places import charger_picker
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, empty, line
from dashboards.cpo import data, deeds
from dashboards.cpo.deeds import Deed, Row

COLUMNS = ("charger", "version", "reported", "entries", "differs", "sync")
ORDERS = ("mode", "reason", "status", "version", "entries", "parts", "asked", "at")
ENTRIES = ("token", "status", "until", "group")
PAGE_ROWS = 50
CSV_COLUMNS = (
    "charger_id", "version", "accepted_at", "reported_version", "reported_at", "entry_count", "differs_by", "sync_on",
    "max_entries", "max_per_message",
)  # fmt: skip
SYNC = {"cpo": None, "on": True, "off": False}
_REFUSED = "lists_refused"


def choose(viewer: Viewer) -> None:
    charger_picker(viewer, t("lists.column.charger"), t("lists.all"))


def room(viewer: Viewer) -> None:
    """One charger, or all that have a list."""
    if charger_id := param("charger"):
        return one(viewer, charger_id)
    trail = pager.trail("lists", None)
    answer = read(viewer, "/api/local-lists", cursor=trail[-1], limit=PAGE_ROWS)
    if not answer.items:
        return empty("lists.empty", key="no_lists")
    draw(as_of(answer), "as_of")
    draw(deeds.grid("lists", COLUMNS, [_line(row) for row in answer.items]), "lists")
    pager.turn("lists", trail, answer.data.get("next_cursor"), words=("page.previous", "page.next"))


def _line(row: Row) -> Markup:
    return line(
        link("local_lists", row["charger_id"], charger=row["charger_id"]), version(row["version"]),
        version(row["reported_version"]), row["entry_count"], differs(row),
        t("lists.on" if row["sync_on"] else "lists.off"),
    )  # fmt: skip


def version(number: int | None) -> str:
    """-1 and null have words."""
    return t("lists.unsupported") if number == -1 else t("lists.unknown") if number is None else str(number)


def differs(row: Row) -> Markup:
    """In step, by how many entries not, or not known."""
    count = row["differs_by"]
    if count is None:
        return Markup('<span class="soft">{}</span>').format(t("lists.unknown"))
    if not count:
        return Markup("✓ {}").format(t("lists.same"))
    return Markup('<span class="alert">≠ {}</span>').format(t("lists.differs", n=count))


def one(viewer: Viewer, charger_id: str) -> None:
    """What one charger keeps, what was sent to it, and what may be asked of it."""
    charger, answer = data.charger(viewer, charger_id), find(viewer, route("chargers", charger_id, "local-list"))
    if charger is None or answer is None:
        return empty("charger.none", key="no_charger")
    row = answer.data
    draw(as_of(answer), "as_of")
    draw(deeds.grid("lists", COLUMNS, [_line(row)]), "list")
    _buttons(viewer, charger_id, None if charger.data["connected"] else "order.no.offline", row)
    _settings(viewer, charger_id, row)
    st.subheader(t("lists.orders"))
    if row["orders"]:
        draw(deeds.grid("lists", ORDERS, [_order(order) for order in row["orders"]]), "orders")
    else:
        empty("lists.no_orders", key="no_orders")
    if row["entries"]:
        st.subheader(t("lists.entries"))
        zone = charger.data["station_timezone"]
        draw(deeds.grid("lists", ENTRIES, [_entry(entry, zone, viewer) for entry in row["entries"]]), "entries")


def _buttons(viewer: Viewer, charger_id: str, reason: str | None, row: Row) -> None:
    unsupported = "lists.no.unsupported" if row["reported_version"] == -1 else None
    base = None if row["version"] is not None else "lists.no.base"
    path, commands = route("chargers", charger_id, "local-list"), ("chargers", charger_id, "commands")
    with st.container(horizontal=True):
        for name, body, why in (("full", {"mode": "full"}, reason or unsupported),
                                ("differential", {"mode": "differential"}, reason or unsupported or base)):  # fmt: skip
            deed = Deed(f"list_{name}", charger_id, "POST", path, body)
            deeds.button(deed, viewer, place="list", icon=":material/upload:", reason=why)
        deed = Deed("list_version", charger_id, "POST", route(*commands, "GetLocalListVersion"), {})
        deeds.button(deed, viewer, place="list", icon=":material/help:", reason=reason)
        deed = Deed("clear_cache", charger_id, "POST", route(*commands, "ClearCache"), {})
        deeds.button(deed, viewer, place="list", icon=":material/mop:", reason=reason)
    st.caption(t("lists.cache_hint"))


def _settings(viewer: Viewer, charger_id: str, row: Row) -> None:
    key = f"sync_{charger_id}"
    # As the API has it now: another tab may have changed it, and this one must not put it back.
    st.session_state[key] = next(name for name, value in SYNC.items() if value is row["sync"])
    st.segmented_control(
        t("lists.sync"), list(SYNC), format_func=lambda code: t(f"lists.sync_{code}"), required=True, key=key,
        disabled=not viewer.may("local_lists:write"), help=t("lists.sync_help"),
        on_change=_set_sync, args=(viewer, charger_id, key),
    )  # fmt: skip
    outcomes.show("sync")


def _set_sync(viewer: Viewer, charger_id: str, key: str) -> None:
    """A person chose."""
    if viewer.may("local_lists:write"):
        choice = st.session_state[key]
        done = t("lists.saved", what=t("lists.sync"), value=t(f"lists.sync_{choice}"))
        change(viewer, "sync", route("chargers", charger_id, "local-list"), {"sync": SYNC[choice]}, done)


def change(viewer: Viewer, place: str, path: str, body: Row, done: str) -> None:
    """Stores a setting, when a person changed it. What is drawn next is what the API has: a refusal takes it back."""
    outcomes.attempt(place, partial(viewer.api.call, "PUT", path, body=body), done)


def _order(order: Row) -> Markup:
    status, answer = t(f"lists.status.{order['status']}"), order["answer"]
    words = t(f"lists.answer.{answer}") if known(f"lists.answer.{answer}") else answer
    return line(
        t(f"lists.mode.{order['mode']}"), t(f"lists.reason.{order['reason']}"),
        f"{status} ({words})" if answer not in (None, "Accepted") else status,
        version(order["last_version"]), order["entry_count"], f"{order['parts_sent']} / {len(order['parts'])}",
        order["requested_by_name"] or t("receipt.platform"), ago(order["created_at"]),
    )  # fmt: skip


def _entry(entry: Row, zone: str | None, viewer: Viewer) -> Markup:
    until = f.when(entry["expires_at"], zone, viewer.language) if entry["expires_at"] else "–"
    return line(entry["id_token"], entry["status"], until, entry["parent_token"] or "–")


def rules(viewer: Viewer) -> None:
    """What the CPO's administrator decides for all of its tokens and lists."""
    if viewer.cpo_id is None:
        return
    found = find(viewer, route("cpos", viewer.cpo_id))
    if found is None:
        return
    st.subheader(t("lists.rules"))
    locked = not viewer.may("cpo_settings:write")
    for name in ("concurrent_sessions", "local_list_sync"):
        st.session_state[f"rule_{name}"] = found.data[name]
        st.toggle(t(f"lists.{name}"), key=f"rule_{name}", disabled=locked, on_change=_set_rule, args=(viewer, name),
                  help=t("order.no.role") if locked else t(f"lists.{name}_help"))  # fmt: skip
    outcomes.show("rules")


def _set_rule(viewer: Viewer, name: str) -> None:
    """A person chose."""
    if viewer.cpo_id and viewer.may("cpo_settings:write"):
        wanted = bool(st.session_state[f"rule_{name}"])
        done = t("lists.saved", what=t(f"lists.{name}"), value=t("lists.rule_on" if wanted else "lists.rule_off"))
        change(viewer, "rules", route("cpos", viewer.cpo_id), {name: wanted}, done)


def export(viewer: Viewer) -> None:
    """All lists, whatever page is open."""
    exports.of_list(viewer, "/api/local-lists", {}, CSV_COLUMNS, "local-lists", "lists.export")


deeds.ask_if_pressed()
st.title(t("cpo.local_lists.title"))
choose(require_viewer(door.CPO))
live(door.CPO, room, every=5)
if not param("charger"):
    export(require_viewer(door.CPO))
rules(require_viewer(door.CPO))
