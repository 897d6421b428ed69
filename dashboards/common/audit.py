"""The audit log on the screen, the same in both dashboards: filtered, in pages, exported. `?object=…&request=…`"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import exports, pager
from dashboards.common import formats as f
from dashboards.common.choices import dropdown, param, search
from dashboards.common.desk import read
from dashboards.common.panel import ago, draw
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, empty, line, table

Row = dict[str, Any]
COLUMNS = ("audit_at", "audit_actor", "audit_action", "audit_object", "audit_change")
NOUNS = (
    "api_key", "campaign", "certificate", "charger", "charging_profile", "command", "configuration_template", "cpo",
    "driver", "firmware_file", "id_token", "normalising_rule", "session", "station", "user", "audit",
)  # fmt: skip
DAYS = ("1", "7", "30")
_PAGE = 50
_SHOWN = 3  # values that are seen without opening the line


def choose() -> None:
    """The filters; they live in the address."""
    one, two, three = st.columns(3)
    with one:
        search("actor", t("audit.actor"), t("audit.actor_hint"), labelled=True)
    with two:
        dropdown("noun", t("audit.noun_label"), NOUNS, noun, t("audit.everything"))
    with three:
        dropdown("days", t("audit.days_label"), DAYS, lambda days: t("audit.days", n=days), t("audit.ever"))


def wanted() -> dict[str, Any]:
    """The filters as the API takes them. Times are cut to the minute, so that a page stays the same page."""
    days = param("days")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    since = now - timedelta(days=int(days)) if days in DAYS else None
    return {
        "actor": param("actor"), "object_type": param("noun"), "object_id": param("object"),
        "request_id": param("request"), "from": since.isoformat() if since else None,
    }  # fmt: skip


def room(viewer: Viewer) -> None:
    """One page, newest first."""
    filters = wanted()
    walked = pager.trail("audit", {name: value for name, value in filters.items() if name != "from"})
    answer = read(viewer, "/api/audit", limit=_PAGE, cursor=walked[-1], **filters)
    if not answer.items:
        return empty("audit.none", key="no_audit")
    draw(as_of(answer, t("audit.explain")), "as_of")
    draw(table(COLUMNS, [_entry(row, viewer) for row in answer.items]), "audit")
    pager.turn("audit", walked, answer.data.get("next_cursor"))


def export(viewer: Viewer) -> None:
    """What the filters leave; that it was exported is told to the log itself."""
    filters = wanted()
    exports.offer(
        viewer,
        "audit",
        t("audit.export"),
        lambda: viewer.api.download("/api/audit/export", **filters),
        # The beginning of "the last day" moves on with every minute; the choice does not.
        of={**filters, "from": param("days")},
        name=exports.stamped("uniev-audit", "csv"),
        mime="text/csv",
        help=t("audit.export_help"),
    )


def noun(code: str) -> str:
    """Our word for a kind of thing; one that a newer platform audits keeps its code."""
    return t(f"audit.noun.{code}") if known(f"audit.noun.{code}") else code


def _entry(row: Row, viewer: Viewer) -> Markup:
    at = Markup("{}<br><span class='soft num'>{}</span>").format(
        ago(row["at"]), f.when(row["at"], None, viewer.language)
    )
    who = row["actor_name"] or row["actor_role"] or "–"
    role = f"role.{row['actor_role']}"
    more = " · ".join(filter(None, (t(role) if known(role) else row["actor_role"], row["address"])))
    actor = Markup("<b>{}</b><br><span class='soft'>{}</span>").format(who, more)
    verb = row["action"].split(".", 1)[-1]
    words = t(f"audit.verb.{verb}") if known(f"audit.verb.{verb}") else verb
    thing = Markup("{}<br><span class='soft' title='{}'>{}</span>").format(
        noun(row["object_type"]), row["object_id"] or "", _short(row["object_id"] or "")
    )
    return line(at, actor, words, thing, _change(row))


def _change(row: Row) -> Markup:
    before, after = row["before"] or {}, row["after"] or {}
    lines = [_value(name, before, after) for name in sorted(before.keys() | after.keys(), key=_telling)]
    shown, rest = lines[:_SHOWN], lines[_SHOWN:]
    seen = Markup("<br>").join(shown)
    if not rest:
        return seen or Markup("–")
    return Markup("{}<details id='a{}'><summary>{}</summary>{}</details>").format(
        seen, row["id"], t("audit.more", n=len(rest)), Markup("<br>").join(rest)
    )


def _telling(name: str) -> tuple[bool, str]:
    """What is said elsewhere on the line comes last."""
    return name in ("id", "cpo_id", "created_by"), name


def _value(name: str, before: Row, after: Row) -> Markup:
    sides = [_short(_said(side[name]), 60) for side in (before, after) if name in side]
    words = t(f"audit.value.{name}") if known(f"audit.value.{name}") else name.replace("_", " ")
    return Markup("<span class='soft'>{}</span> {}").format(words, Markup(" → ").join(map(Markup.escape, sides)))


def _said(value: Any) -> str:
    """Yes and no in words, structures as JSON, anything else as it is."""
    if value is None or isinstance(value, bool):
        return t({None: "audit.nothing", True: "audit.yes", False: "audit.no"}[value])
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
