"""The timeline of a charger: what changed, who asked for what, and what came of it, newest first, day by day."""

from collections.abc import Callable
from itertools import groupby
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.panel import ago, link
from dashboards.common.status import shape
from dashboards.common.texts import Language, known, t
from dashboards.cpo import receipts
from dashboards.cpo.rows import fault

Row = dict[str, Any]
KINDS = ("status", "boot", "connection", "command", "session")
# A charger's clock that differs from ours by less is not worth a word.
WORTH_TELLING_S = 60
_SHAPES = {"SuspendedEV": "suspended", "SuspendedEVSE": "suspended"}


def timeline(entries: list[Row], zone: str | None, language: Language) -> Markup:
    """Entries under the day they belong to, in station time."""
    days = groupby(entries, key=lambda entry: f.local_day(entry["at"], zone))
    return Markup().join(
        Markup(
            '<section class="day"><h4>{} <span class="soft">{}</span></h4><ol class="events">{}</ol></section>'
        ).format(
            f.day(day, language),
            f.zone_letters(zone),
            Markup().join(_entry(entry, zone, language) for entry in of_day),
        )
        for day, of_day in days
    )


def _entry(entry: Row, zone: str | None, language: Language) -> Markup:
    kind = entry["kind"]
    words = _WORDS.get(kind, _other)(entry, zone, language)
    return Markup(
        '<li class="event {}"><div class="num"><b>{}</b><br><span class="soft">{}</span></div>'
        '<div class="soft kind">{}</div><div>{}{}</div></li>'
    ).format(
        kind,
        f.clock(entry["at"], zone, language),
        ago(entry["at"]),
        t(f"timeline.kind.{kind}") if known(f"timeline.kind.{kind}") else kind,
        words,
        _by_its_clock(entry, zone, language),
    )


def _where(entry: Row) -> str:
    """Which part of the charger: a connector, or the whole unit."""
    return t("live.connector_n", n=entry["evse_id"]) if entry["evse_id"] else t("timeline.whole")


def _status(entry: Row, zone: str | None, language: Language) -> Markup:
    status, detail = entry["event"], entry["detail"]
    key = f"ocpp.{status}"
    words = Markup('{} <span class="badge">{}<b>{}</b></span>').format(
        _where(entry), shape(_SHAPES.get(status, status.lower())), t(key) if known(key) else status
    )
    code = detail.get("error_code")
    parts = filter(None, (fault(code) if code else None, detail.get("error_info"), detail.get("vendor_error_code")))
    told = " · ".join(parts)
    return words + Markup(' <span class="{}">{}</span>').format("alert" if code else "soft", told) if told else words


def _boot(entry: Row, zone: str | None, language: Language) -> Markup:
    detail = entry["detail"]
    maker = " ".join(filter(None, (detail.get("vendor"), detail.get("model"))))
    firmware = detail.get("firmware_version")
    parts = [maker] if maker else []
    if firmware and detail.get("firmware_before"):
        parts.append(t("timeline.firmware_changed", now=firmware, before=detail["firmware_before"]))
    elif firmware:
        parts.append(f"{t('column.firmware')} {firmware}")
    return Markup('<b>{}</b> <span class="soft">{}</span>').format(t("timeline.booted"), " · ".join(parts))


def _connection(entry: Row, zone: str | None, language: Language) -> Markup:
    detail, event = entry["detail"], entry["event"]
    mark = Markup("") if event == "connected" else shape("offline")
    notes = [str(detail[name]) for name in ("protocol", "remote_address") if detail.get(name)]
    notes += [t(f"timeline.{name}") for name in ("replaced", "server_restarted") if detail.get(name)]
    return Markup('<span class="badge">{}<b>{}</b></span> <span class="soft">{}</span>').format(
        mark, t(f"timeline.{event}"), " · ".join(notes)
    )


def _command(entry: Row, zone: str | None, language: Language) -> Markup:
    row = entry["detail"]
    return Markup('<b>{}</b> <span class="soft">{} {}</span>{}').format(
        receipts.title(row),
        t("timeline.asked_by"),
        entry["actor"] or t("receipt.platform"),
        receipts.progress(row, zone, language),
    )


def _session(entry: Row, zone: str | None, language: Language) -> Markup:
    detail = entry["detail"]
    number = link("session", t("session.number", n=detail["transaction_id"]), session=entry["session_id"])
    words = Markup("{} {} <b>{}</b>").format(_where(entry), number, t(f"timeline.session_{entry['event']}"))
    facts = [f"{t('column.id_token')} {entry['actor']}"] if entry["actor"] else []
    if entry["event"] == "ended":
        reason = detail.get("stop_reason")
        facts = [f.energy(detail.get("energy_wh"), language), f.duration(detail.get("duration_s"), language), *facts]
        facts += [t(f"stop.{reason}") if known(f"stop.{reason}") else reason] if reason else []
    words += Markup(' <span class="soft">{}</span>').format(" · ".join(facts))
    return (
        words + Markup(' <span class="alert">{}</span>').format(t("sessions.held"))
        if detail.get("review_reasons")
        else words
    )


def _other(entry: Row, zone: str | None, language: Language) -> Markup:
    """A kind that this screen has no words for yet is shown as it came."""
    facts = " · ".join(f"{name}: {value}" for name, value in entry["detail"].items() if value is not None)
    return Markup('{} <b>{}</b> <span class="soft">{}</span>').format(_where(entry), entry["event"], facts)


def _by_its_clock(entry: Row, zone: str | None, language: Language) -> Markup:
    """Learnt late (offline history) or told under a wrong clock: when it happened by the charger."""
    told, learnt = f.moment(entry["reported_at"]), f.moment(entry["at"])
    if told is None or learnt is None or abs((learnt - told).total_seconds()) < WORTH_TELLING_S:
        return Markup("")
    return Markup('<div class="soft">{}</div>').format(
        t("timeline.by_its_clock", time=f.when(entry["reported_at"], zone, language))
    )


_WORDS: dict[str, Callable[[Row, str | None, Language], Markup]] = {
    "status": _status,
    "boot": _boot,
    "connection": _connection,
    "command": _command,
    "session": _session,
}
