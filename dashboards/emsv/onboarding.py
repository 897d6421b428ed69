"""Applications of companies: the queue, one application with its documents, checklist and decision; CPOs suspended."""

import time
from functools import partial
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door, exports
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.forgiving import forgiving
from dashboards.common.panel import draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import empty, failed, line, plain, table
from dashboards.emsv import data

CHECKS = ("nib", "npwp", "bank_account", "spklu", "identity")
STATED = ("contact_name", "email", "phone", "nib", "npwp", "address", "bank_name", "bank_account", "bank_holder")
STATES = ("submitted", "questioned", "draft", "active", "suspended", "refused", "closed")
STEPS = {"active": ("suspend", "close"), "suspended": ("reinstate", "close")}
ZONE = "Asia/Jakarta"
TOLD_S = 30  # how long a decision is confirmed, whatever is looked at meanwhile

Row = dict[str, Any]


def queue(viewer: Viewer) -> str | None:
    """The applications of a state, and the chosen one."""
    state = st.segmented_control(
        t("onboarding.show"), STATES, default="submitted", key="state", format_func=lambda s: t(f"onboarding.state.{s}")
    )
    rows = data.applications(viewer, state)
    if not rows:
        empty("onboarding.empty", key="empty")
        return None
    cells = [
        line(
            Markup("<b>{}</b>").format(row["company"]),
            row["contact_name"],
            t(f"onboarding.state.{row['state']}"),
            f.when(row["submitted_at"], ZONE, viewer.language),
        )
        for row in rows
    ]
    draw(table(("company", "contact", "state", "submitted"), cells), "applications")
    names = {row["cpo_id"]: row["company"] for row in rows}
    asked = st.query_params.get("cpo")
    place = list(names).index(asked) if asked in names else 0
    chosen = st.selectbox(t("onboarding.choose"), list(names), index=place, format_func=names.__getitem__, key="chosen")
    return str(chosen)


def one(viewer: Viewer, cpo_id: str) -> None:
    """What the application states, its documents and history, and what can be done with it."""
    found = data.application(viewer, cpo_id)
    state = t(f"onboarding.state.{found['state']}")
    st.subheader(f"{plain(found['company'])} · {state}")
    left, right = st.columns(2)
    with left:
        _stated(found)
        _documents(viewer, found)
    with right:
        if viewer.may("onboarding:decide"):
            _decision(viewer, found)
            _standing(viewer, found)
        else:
            st.caption(t("approvals.admins_only"))
        _history(viewer, found)


def _stated(found: Row) -> None:
    rows = [line(t(f"register.field.{name}"), found[name] or "–") for name in STATED]
    rows.append(line(t("register.field.spklu_numbers"), ", ".join(found["spklu_numbers"]) or "–"))
    draw(table(("stated", "value"), rows), "stated")


def _documents(viewer: Viewer, found: Row) -> None:
    """A stranger's files: fetched when asked for, and saved, never shown here."""
    st.markdown(f"**{t('register.documents')}**")
    if not found["documents"]:
        st.caption(t("onboarding.no_documents"))
    for row in found["documents"]:
        path = route("cpo", found["cpo_id"], "documents", row["id"], "file")
        kind = t(f"onboarding.document.{row['kind']}")
        exports.offer(
            viewer,
            f"document_{row['id']}",
            f"{kind} · {row['name']} · {f.number(-(-row['size_bytes'] // 1024), viewer.language)} KiB",
            partial(viewer.api.download, path),
            name=f"{row['kind']}-{row['name']}",
            mime="application/octet-stream",
        )


def _decision(viewer: Viewer, found: Row) -> None:
    if found["state"] not in ("submitted", "questioned"):
        return
    st.markdown(f"**{t('onboarding.checklist')}**")
    ticked = [
        name for name in CHECKS if st.checkbox(t(f"onboarding.check.{name}"), key=f"check_{name}_{found['cpo_id']}")
    ]
    message = st.text_area(t("onboarding.message"), key=f"message_{found['cpo_id']}", help=t("onboarding.message_help"))
    waits = found["state"] == "submitted"
    whole, words = len(ticked) == len(CHECKS), bool(message.strip())
    body = {"message": message, "revision": found["revision"]}
    approve, ask, refuse = st.columns(3)
    why = None if whole else t("onboarding.check_first")
    ready = waits and whole
    if approve.button(t("onboarding.approve"), key="approve", type="primary", disabled=not ready, help=why):
        _send(viewer, found, "verify", {**body, "decision": "approve", "checklist": ticked}, "approved")
    if ask.button(t("onboarding.ask"), key="ask", disabled=not (waits and words)):
        _send(viewer, found, "verify", {**body, "decision": "ask"}, "asked")
    if refuse.button(t("onboarding.refuse"), key="refuse", disabled=not words):
        _send(viewer, found, "verify", {**body, "decision": "refuse"}, "refused")


def _standing(viewer: Viewer, found: Row) -> None:
    """Suspend, reinstate, close: with a reason and a second look."""
    steps = STEPS.get(found["state"], ())
    if not steps:
        return
    with st.form(f"standing_{found['cpo_id']}"):
        st.markdown(f"**{t('onboarding.standing')}**")
        step = st.radio(t("onboarding.what"), steps, format_func=lambda s: t(f"onboarding.do.{s}"), key="standing_step")
        message = st.text_area(t("onboarding.reason"), key="standing_message")
        sure = st.checkbox(t("onboarding.sure"), key="standing_sure")
        pressed = st.form_submit_button(t("onboarding.carry_out"))
    if not pressed:
        return
    if not (message.strip() and sure):
        st.warning(t("onboarding.say_and_confirm"))
        return
    _send(viewer, found, "standing", {"step": step, "message": message}, str(step))


def _send(viewer: Viewer, found: Row, path: str, body: Row, done: str) -> None:
    try:
        viewer.api.post(route("cpo", found["cpo_id"], path), body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        desk.forget()
        st.session_state["decided"] = (found["company"], done, time.monotonic())
        st.rerun()


def _history(viewer: Viewer, found: Row) -> None:
    rows = [
        line(
            f.when(step["at"], ZONE, viewer.language),
            t(f"onboarding.step.{step['step']}"),
            step["actor_name"],
            step["message"] or "",
        )
        for step in found["steps"]
    ]
    if rows:
        st.markdown(f"**{t('register.history')}**")
        draw(table(("at", "step", "who", "said"), rows), "history")


st.title(t("emsv.onboarding.title"))
company, done, at = st.session_state.get("decided", ("", "", 0.0))
if done and time.monotonic() - at < TOLD_S:
    st.success(t(f"onboarding.done.{done}", company=plain(company)), icon=":material/check_circle:")
with forgiving("onboarding"):
    person = require_viewer(door.EMSV)
    if wanted := queue(person):
        one(person, wanted)
