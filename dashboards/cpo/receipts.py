"""Receipts: every order from the queue to its effect, read from the API, so that they outlive any refresh."""

from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.panel import link
from dashboards.common.texts import Language, known, t

Row = dict[str, Any]
# Answers after which nothing more will come.
_REFUSALS = ("rejected", "failed", "timed_out", "expired")


def progress(row: Row, zone: str | None, language: Language) -> Markup:
    """How far a command has come, and why not further."""
    return Markup('<div class="receipt"><ol class="steps">{}</ol>{}</div>').format(
        Markup().join(_steps(row, zone, language)), _why(row)
    )


def title(row: Row) -> str:
    """`Start · connector 2`: the action in words and where it aims."""
    key = f"action.{row['action']}"
    name = t(key) if known(key) else row["action"]
    connector = (row.get("payload") or {}).get("connectorId")
    return t("receipt.aim", action=name, n=connector) if connector else name


def _steps(row: Row, zone: str | None, language: Language) -> list[Markup]:
    """queued → sent → answered → effect, each with its time; what went wrong has its own mark and words."""
    status = row["status"]
    steps = [_step("done", "queued", row["created_at"], zone, language)]
    if row["sent_at"]:
        steps.append(_step("done", "sent", row["sent_at"], zone, language))
    if status in _REFUSALS:
        return [
            *steps,
            _step("bad", status, row["answered_at"], zone, language),
            *_late_effect(row, zone, language),
        ]
    if status == "accepted":
        return [
            *steps,
            _step("done", "accepted", row["answered_at"], zone, language),
            *_effect(row, zone, language),
        ]
    return [
        *steps,
        _step("now", "waiting_charger" if row["sent_at"] else "waiting_line", None, zone, language),
    ]


def _effect(row: Row, zone: str | None, language: Language) -> list[Markup]:
    look = {"pending": "now", "observed": "done", "no_effect": "bad"}.get(row["effect"])
    return [_step(look, f"effect_{row['effect']}", row["effect_at"], zone, language)] if look else []


def _late_effect(row: Row, zone: str | None, language: Language) -> list[Markup]:
    """A charger that answers nothing may still do what it was asked."""
    return _effect(row, zone, language) if row["effect"] == "observed" else []


def _step(look: str, name: str, at: str | None, zone: str | None, language: Language) -> Markup:
    mark = {"done": "✓", "bad": "✕", "now": "…"}[look]
    time = Markup(' <span class="soft num">{}</span>').format(f.clock(at, zone, language)) if at else ""
    return Markup('<li class="{}"><span class="mark" aria-hidden="true">{}</span><span>{}{}</span></li>').format(
        look, mark, t(f"receipt.{name}"), time
    )


def _why(row: Row) -> Markup:
    """The reason behind a bad end, and the session behind a good one."""
    notes: list[str | Markup] = []
    if row["error_code"] or row["error_description"]:
        notes.append(" ".join(filter(None, (row["error_code"], row["error_description"]))))
    if row["status"] == "rejected" and row["response"]:
        notes.append(t("receipt.answer", answer=", ".join(map(str, row["response"].values()))))
    if row["effect"] == "no_effect":
        notes.append(t("receipt.no_effect_help"))
    if row["effect_session_id"]:
        notes.append(link("session", t("receipt.session"), session=row["effect_session_id"]))
    return Markup().join(Markup('<div class="soft">{}</div>').format(note) for note in notes)
