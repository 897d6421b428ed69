"""Configuration: the keys of one charger, what changed and by whom, its template, and templates. `?charger=…`"""

from __future__ import annotations

from functools import partial

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, outcomes
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param, search
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw
from dashboards.common.places import charger_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, csv_button, empty, line, plain
from dashboards.cpo import data, deeds, receipts
from dashboards.cpo.deeds import Deed, Row

KEYS = ("key", "value", "readonly", "known")
CHANGES = ("key", "old", "new", "source", "actor", "at")
DRIFT = ("key", "wanted", "reported", "reason")
TEMPLATES = ("name", "settings", "chargers", "drifting")
_WANTED = "wanted_settings"


def choose(viewer: Viewer) -> None:
    charger_picker(viewer, t("config.column.charger"), t("config.choose"))


# -- keys


def room(viewer: Viewer) -> None:
    """One charger's keys, history and template; without one, the templates."""
    charger_id = param("charger")
    if not charger_id:
        return templates(viewer)
    charger, answer = data.charger(viewer, charger_id), find(viewer, route("chargers", charger_id, "configuration"))
    if charger is None or answer is None:
        return empty("charger.none", key="no_charger")
    draw(as_of(answer, _reported(answer.data)), "as_of")
    read_anew = Deed(
        "read_configuration", charger_id, "POST", route("chargers", charger_id, "commands", "GetConfiguration"), {}
    )
    reason = None if charger.data["connected"] else "order.no.offline"
    deeds.button(read_anew, viewer, place="config", icon=":material/refresh:", reason=reason)
    _keys(answer.data)
    _template(viewer, charger_id)
    _orders(viewer, charger.data)
    _history(viewer, charger_id)


def _reported(found: Row) -> str:
    return t("config.never") if found["reported_at"] is None else t("config.keys", n=len(found["keys"]))


def _keys(found: Row) -> None:
    wanted = (param("q") or "").lower()
    rows = [row for row in found["keys"] if wanted in f"{row['key']} {row['value']}".lower()]
    if not rows:
        return empty("config.no_match" if found["keys"] else "config.empty", key="no_keys")
    draw(deeds.grid("config", KEYS, [_key(row) for row in rows]), "keys")
    if found["unknown_keys"]:
        st.caption(t("config.unknown", keys=plain(", ".join(found["unknown_keys"]))))
    csv_button(rows, ("key", "value", "readonly", "known_at", "pending_value"), "configuration")


def _key(row: Row) -> Markup:
    value = t("config.secret") if row["secret"] else "–" if row["value"] is None else row["value"]
    later = Markup("")
    if row["pending_since"]:
        words = t("config.after_reboot", value=row["pending_value"] or "***")
        later = Markup(' <span class="alert">{}</span>').format(words)
    return line(
        Markup("<b>{}</b>").format(row["key"]), Markup("{}{}").format(value, later),
        t("config.readonly") if row["readonly"] else "", ago(row["known_at"]),
    )  # fmt: skip


def _orders(viewer: Viewer, charger: Row) -> None:
    """Receipts of what was asked lately."""
    rows = [row for row in read(viewer, "/api/commands", charger_id=charger["id"], limit=50).items
            if row["action"] in ("ChangeConfiguration", "GetConfiguration")][:10]  # fmt: skip
    if not rows:
        return
    st.subheader(t("config.orders"))
    zone = charger["station_timezone"]
    cells = [line(f.when(row["created_at"], zone, viewer.language), row["action"], row["payload"].get("key", ""),
                  row["payload"].get("value", ""), row["requested_by_name"] or t("receipt.platform"),
                  Markup('<ol class="steps">{}</ol>').format(receipts.progress(row, zone, viewer.language)))
             for row in rows]  # fmt: skip
    draw(deeds.grid("config", ("at", "action", "key", "value", "actor", "progress"), cells), "orders")


def _history(viewer: Viewer, charger_id: str) -> None:
    st.subheader(t("config.history"))
    rows = read(viewer, route("chargers", charger_id, "configuration", "history"), cap=500).items
    if not rows:
        return empty("config.no_history", key="no_history")
    cells = [line(row["key"], _shown(row["old_value"]), _shown(row["new_value"]), t(f"config.source.{row['source']}"),
                  row["actor"] or "–", ago(row["at"])) for row in rows[:50]]  # fmt: skip
    draw(deeds.grid("config", CHANGES, cells), "history")
    csv_button(rows, ("at", "key", "old_value", "new_value", "source", "actor"), "configuration-history")


def _shown(value: str | None) -> str:
    return "–" if value is None else value


# -- changes


def edit(viewer: Viewer, charger_id: str) -> None:
    """Collects changes, shows them beside what is, and sends one command a key."""
    found = find(viewer, route("chargers", charger_id, "configuration"))
    if found is None:
        return
    known = {row["key"]: row for row in found.data["keys"]}
    wanted: dict[str, str] = st.session_state.setdefault(f"{_WANTED}_{charger_id}", {})
    with st.expander(t("config.edit"), icon=":material/edit:", expanded=bool(wanted)):
        changeable = [key for key, row in known.items() if not row["readonly"]]
        with st.form("add_change", clear_on_submit=True, border=False):
            key = st.selectbox(
                t("config.column.key"), changeable, index=None, key="change_key", accept_new_options=True
            )
            value = st.text_input(t("config.column.value"), key="change_value", max_chars=500)
            if st.form_submit_button(t("config.add"), icon=":material/add:") and key:
                wanted[key] = value
        if wanted:
            _difference(viewer, charger_id, known, wanted)


def _difference(viewer: Viewer, charger_id: str, known: dict[str, Row], wanted: dict[str, str]) -> None:
    rows = [line(Markup("<b>{}</b>").format(key), _shown(known.get(key, {}).get("value")), value)
            for key, value in wanted.items()]  # fmt: skip
    draw(deeds.grid("config", ("key", "old", "new"), rows), "difference")
    left, right = st.columns(2)
    label, locked = t("config.send", n=len(wanted)), not viewer.may("commands:send")
    if left.button(label, key="send_changes", type="primary", disabled=locked, width="stretch"):
        send(viewer, charger_id, wanted)
    if right.button(t("config.discard"), key="discard_changes", width="stretch"):
        wanted.clear()
        st.rerun()


def send(viewer: Viewer, charger_id: str, wanted: dict[str, str]) -> None:
    """One ChangeConfiguration a key; what was refused stays to be tried again."""
    path, sent = route("chargers", charger_id, "commands", "ChangeConfiguration"), []
    for key, value in list(wanted.items()):
        body = {"key": key, "value": value}
        deed = deeds.latched(f"change_{key}", (path, value), partial(Deed, "change", charger_id, "POST", path, body))
        ask = partial(viewer.api.post, path, body, idempotency_key=deed.key)
        sent.append(key)
        if not outcomes.attempt("changes", ask, t("config.sent", keys=plain(", ".join(sent))), about=key, keyed=True):
            break
        deeds.answered(deed)
        del wanted[key]
    st.rerun()


# -- templates


def _template(viewer: Viewer, charger_id: str) -> None:
    st.subheader(t("config.template"))
    found = read(viewer, route("chargers", charger_id, "configuration-template")).data
    given = found["template"]
    if given is None:
        st.caption(t("config.no_template"))
        return
    state = t(f"config.state.{given['state']}")
    by = given["switched_on_by"] or "–"
    st.caption(t("config.switched_on", name=plain(given["template_name"]), by=plain(by), state=state))
    if not found["drift"]:
        st.success(t("config.no_drift"), icon=":material/check:")
        return
    cells = [line(Markup("<b>{}</b>").format(row["key"]), row["wanted"], _shown(row["reported"]),
                  t(f"config.reason.{row['reason']}")) for row in found["drift"]]  # fmt: skip
    draw(deeds.grid("config", DRIFT, cells), "drift")
    csv_button(found["drift"], ("key", "wanted", "reported", "reason"), "drift")


def switch(viewer: Viewer, charger_id: str) -> None:
    """Which template the charger shall obey."""
    found = find(viewer, route("chargers", charger_id, "configuration-template"))
    if found is None:
        return
    names = {row["id"]: row["name"] for row in read(viewer, "/api/configuration-templates", cap=500).items}
    now = (found.data["template"] or {}).get("template_id", "")
    with st.expander(t("config.switch"), icon=":material/rule_settings:"), st.form("switch", border=False):
        codes = ["", *names]
        choice = st.selectbox(t("config.template"), codes, index=codes.index(now) if now in codes else 0,
                              format_func=lambda code: names.get(code, t("config.none")), key="template")  # fmt: skip
        apply_now = st.toggle(t("config.apply_now"), key="apply_now", help=t("config.apply_now_help"))
        locked = not viewer.may("configuration:write")
        if st.form_submit_button(
            t("config.switch_button"), disabled=locked, help=t("order.no.role") if locked else None
        ):
            body = {"template_id": choice or None, "apply_now": apply_now}
            words = t("config.switched", name=plain(names.get(choice, t("config.none"))))
            change(viewer, "PUT", route("chargers", charger_id, "configuration-template"), body, words)


def templates(viewer: Viewer) -> None:
    """All templates with their drift."""
    st.subheader(t("config.templates"))
    rows = read(viewer, "/api/configuration-templates", cap=500).items
    if not rows:
        return empty("config.no_templates", key="no_templates")
    cells = [line(Markup("<b>{}</b>").format(row["name"]),
                  ", ".join(f"{key} = {value}" for key, value in row["settings"].items()), row["charger_count"],
                  row["drifting_count"]) for row in rows]  # fmt: skip
    draw(deeds.grid("config", TEMPLATES, cells), "templates")
    for row in rows:
        if not row["charger_count"] and viewer.may("configuration:write"):
            deed = Deed("delete_template", row["name"], "DELETE", route("configuration-templates", row["id"]))
            deeds.button(deed, viewer, place=row["id"], icon=":material/delete:")


def create(viewer: Viewer) -> None:
    """A new template: one `key = value` a line."""
    if not viewer.may("configuration:write"):
        return
    with st.expander(t("config.new_template"), icon=":material/add:"), st.form("new_template", border=False):
        name = st.text_input(t("config.column.name"), key="template_name", max_chars=120)
        text = st.text_area(t("config.settings"), key="template_settings", placeholder="HeartbeatInterval = 300")
        reboot = st.toggle(t("config.may_reboot"), key="template_reboot", help=t("config.may_reboot_help"))
        if st.form_submit_button(t("config.create")):
            body = {"name": name, "settings": settings_of(text), "reboot": reboot}
            change(viewer, "POST", "/api/configuration-templates", body, t("config.created", name=plain(name)))


def settings_of(text: str) -> dict[str, str]:
    """`key = value` lines; an empty line is nothing."""
    pairs = (row.partition("=") for row in text.splitlines() if row.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def change(viewer: Viewer, method: str, path: str, body: Row, done: str) -> None:
    """Stores something, and shows it."""
    outcomes.attempt("changes", partial(viewer.api.call, method, path, body=body), done)
    st.rerun()


def main(viewer: Viewer) -> None:
    deeds.ask_if_pressed()
    st.title(t("cpo.configuration.title"))
    choose(viewer)
    charger_id = param("charger")
    if charger_id:
        search("q", t("config.search"), t("config.search"))
    live(door.CPO, room, every=5)
    live(door.CPO, changes, every=5, key="changes")


def changes(viewer: Viewer) -> None:
    """What may be changed here. Looked at again and again: a charger that was just read has other keys."""
    outcomes.show("changes")
    if charger_id := param("charger"):
        edit(viewer, charger_id)
        switch(viewer, charger_id)
    else:
        create(viewer)


main(require_viewer(door.CPO))
