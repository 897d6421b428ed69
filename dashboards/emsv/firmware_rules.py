"""Which firmware lies and how, and the rules that make the truth of it: switched on and off, deleted, drafted anew."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.choices import param, set_param
from dashboards.common.desk import read
from dashboards.common.forgiving import ask, forgiving
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.scorecard import named, scorecard
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty, failed, line, plain, table
from dashboards.emsv import rule_draft

Row = dict[str, Any]
COLUMNS = ("rule_name", "rule_whom", "quirk", "rule_does", "rule_state", "rule_made")
PATTERNS = ("vendor", "model", "firmware")
_ASKING, _DONE = "rule_asked", "rule_done"
_MOST = 1_000  # the API counts no further
_IN_USE = ("energy_factor", "clock_offset", "clock_zone")  # a repetition may look new when these change


def rules(viewer: Viewer) -> list[Row]:
    return read(viewer, "/api/normalising-rules", cap=_MOST).items


def listing(viewer: Viewer) -> None:
    """Every rule in the order in which it applies."""
    st.subheader(t("rules.heading"))
    answer = read(viewer, "/api/normalising-rules", cap=_MOST)
    if not answer.items:
        return empty("rules.none", key="no_rules")
    draw(as_of(answer, t("rules.explain")), "rules_as_of")
    draw(table(COLUMNS, [_line(row) for row in answer.items]), "rules")


def _line(row: Row) -> Markup:
    name = Markup('<b>{}</b><br><span class="soft">{}</span>').format(row["name"], row["source"] or "")
    made = Markup("{}<br><span class='soft'>{}</span>").format(
        row["created_by_name"] or t("rules.shipped"), ago(row["updated_at"])
    )
    state = Markup("<b>{}</b>").format(t("rules.state.on")) if row["enabled"] else t("rules.state.off")
    return line(name, whom(row), named(row), rule_draft.does(row["treatment"], row["parameters"]), state, made)


def whom(row: Row) -> str:
    """The patterns that say something."""
    given = [(name, row[f"{name}_pattern"]) for name in PATTERNS]
    said = [f"{t(f'rules.{name}')} {pattern}" for name, pattern in given if pattern.strip("*")]
    return ", ".join(said) or t("rules.everybody")


def act(viewer: Viewer) -> None:
    """One rule is chosen by name and kept by id; what cannot be done says why."""
    rows = {row["id"]: row for row in rules(viewer)}
    locked = None if viewer.may("normalising_rules:write") else t("order.no.role")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(t("rules.choose"), list(rows), index=None, key="rule", placeholder=t("rules.choose_one"),
                              format_func=lambda one: rows[one]["name"] if one in rows else "–")  # fmt: skip
        row = rows.get(str(chosen))
        why = locked or (None if row else t("rules.choose_first"))
        deed = "off" if row and row["enabled"] else "on"
        _button(deed, row, why, ":material/toggle_off:" if deed == "off" else ":material/toggle_on:")
        _button("delete", row, why or (t("rules.keep") if row and row["shipped"] else None), ":material/delete:")
        if st.button(t("rules.new"), key="rule_new", icon=":material/add:", disabled=bool(locked), help=locked):
            set_param("new", "1")
            st.rerun()


def _button(deed: str, row: Row | None, why: str | None, icon: str) -> None:
    if st.button(t(f"rules.{deed}.button"), key=f"rule_{deed}", icon=icon, disabled=bool(why), help=why):
        st.session_state[_ASKING] = (deed, row)
        st.rerun()


def dialog(deed: str, row: Row) -> None:
    """Names the rule, how many chargers it concerns and what follows; one press does it."""
    viewer = require_viewer(door.EMSV)
    st.markdown(f"**{plain(row['name'])}** · {plain(whom(row))}")
    st.markdown(concerned(viewer, row))
    st.info(t(f"rules.{deed}.consequence"), icon=":material/info:")
    if row["treatment"] in _IN_USE and (row["enabled"] or deed == "on"):
        st.warning(t("rules.in_use"), icon=":material/warning:")
    if not st.button(t("deed.confirm"), key="rule_confirm", type="primary", width="stretch"):
        return
    path = route("normalising-rules", row["id"])
    try:
        if deed == "delete":
            viewer.api.call("DELETE", path)
        else:
            viewer.api.call("PUT", path, body={"enabled": deed == "on"})
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
        return
    except ApiRefused as refusal:
        return failed(refusal)
    done(t(f"rules.{deed}.done", name=row["name"]))


def done(words: str) -> None:
    """What was changed is told on the page that is drawn next."""
    desk.forget()
    st.session_state[_DONE] = words
    st.rerun()


def concerned(viewer: Viewer, row: Row) -> str:
    """How many chargers fit a rule now, in words."""
    said = rule_draft.preview(viewer, row, "StatusNotification", {})
    number = said["chargers_fitting"]
    more = "rules.fitting_more" if number >= _MOST else "rules.fitting"
    return t(more, n=f.number(number, viewer.language))


def whole(viewer: Viewer) -> None:
    scorecard(viewer)
    listing(viewer)


def main() -> None:
    asked: tuple[str, Row] | None = st.session_state.pop(_ASKING, None)
    if asked:
        ask(t(f"rules.{asked[0]}.button"), dialog, *asked)
    viewer = require_viewer(door.EMSV)
    st.title(t("emsv.firmware_rules.title"))
    if told := st.session_state.pop(_DONE, None):
        st.success(told, icon=":material/check_circle:")
    if param("new") and viewer.may("normalising_rules:write"):
        crumbs(("firmware_rules", t("emsv.firmware_rules.title"), {}), here=t("rules.new"))
        with forgiving("draft"):
            if made := rule_draft.form(viewer):
                set_param("new", None)
                done(t("rules.made", name=made["name"]))
        return
    live(door.EMSV, whole, every=30)
    with forgiving("act"):
        act(viewer)
    if viewer.may("audit:read"):
        draw(Markup("<p>{}</p>").format(link("audit", t("rules.audit"), noun="normalising_rule")), "audit_link")


main()
