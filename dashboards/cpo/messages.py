"""OCPP calls with their answers and latency, as the API pairs them."""

import json
from itertools import groupby
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.texts import Language, t
from dashboards.common.widgets import line, table

Row = dict[str, Any]
COLUMNS = ("time", "direction", "message", "answer", "latency", "content")


def log(exchanges: list[Row], zone: str | None, language: Language) -> Markup:
    """A table, in the order given, each day under its date in station time."""
    rows: list[Markup] = []
    for day, of_day in groupby(exchanges, key=lambda row: f.local_day(row["at"], zone)):
        head = Markup('<tr class="day"><th colspan="{}" scope="rowgroup">{} <span class="soft">{}</span></th></tr>')
        rows.append(head.format(len(COLUMNS), f.day(day, language), f.zone_letters(zone)))
        rows += [_line(row, zone, language) for row in of_day]
    return table(COLUMNS, rows)


def _line(row: Row, zone: str | None, language: Language) -> Markup:
    way = "in" if row["direction"] == "in" else "out"
    latency = row["latency_ms"]
    return line(
        Markup('<span class="num">{}</span>').format(f.clock(row["at"], zone, language)),
        Markup('<span class="arrow" aria-hidden="true">{}</span> {}').format(
            "→" if way == "in" else "←", t(f"log.{way}")
        ),
        Markup("<b>{}</b>").format(row["action"] or t(f"log.outcome_{row['outcome']}")),
        _answer(row),
        Markup('<span class="num">{}</span>').format("–" if latency is None else f"{f.number(latency, language)} ms"),
        _content(row),
    )


def _answer(row: Row) -> Markup:
    outcome = row["outcome"]
    if outcome in ("error", "bad"):
        return Markup('<span class="alert">{}</span>').format(_error_words(row))
    if outcome != "answered":
        return Markup('<span class="soft">{}</span>').format(t(f"log.outcome_{outcome}"))
    parts = frame(row["response"])
    payload = parts[2] if isinstance(parts, list) and len(parts) > 2 and isinstance(parts[2], dict) else {}
    status = payload.get("status") or (payload.get("idTagInfo") or {}).get("status")
    return Markup("{}").format(status or t("log.outcome_answered"))


def frame(text: str) -> Any:
    """The frame as JSON; a broken one stays the text that came over the wire."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _error_words(row: Row) -> str:
    """Code and description of a CALLERROR `[4, id, code, description, details]`."""
    parts = frame(row["response"] or "")
    words = [str(part) for part in parts[2:4] if part] if isinstance(parts, list) else []
    return " · ".join(words) or row["error_code"] or t("log.outcome_error")


def _content(row: Row) -> Markup:
    both = [frame(text) for text in (row["request"], row["response"]) if text is not None]
    text = "\n".join(json.dumps(part, ensure_ascii=False, indent=1) for part in both)
    return Markup(
        '<details id="m{}"><summary>JSON</summary><button type="button" data-copy="{}" data-done="{}">{}</button>'
        "<pre>{}</pre></details>"
    ).format(f"{row['at']}{row['pair_id']}", text, t("log.copied"), t("log.copy"), text)
