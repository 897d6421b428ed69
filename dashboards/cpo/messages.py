"""The OCPP message log of a charger: each call with its answer and latency."""

import json
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.texts import Language, t
from dashboards.common.widgets import line, table

Row = dict[str, Any]
COLUMNS = ("time", "direction", "message", "answer", "latency", "content")


def pairs(messages: list[Row]) -> list[tuple[Row, Row | None]]:
    """Call and answer joined by pair id and opposite direction, newest call first; loose frames stand alone."""
    answers = {(row["pair_id"], row["direction"]): row for row in messages if row["kind"] in ("result", "error")}
    calls = [row for row in messages if row["kind"] == "call"]
    used = set()
    joined: list[tuple[Row, Row | None]] = []
    for call in calls:
        name = (call["pair_id"], "out" if call["direction"] == "in" else "in")
        answer = answers.get(name)
        used.add(name if answer else None)
        joined.append((call, answer))
    loose = [
        (row, None) for row in messages if row["kind"] != "call" and (row["pair_id"], row["direction"]) not in used
    ]
    return sorted([*joined, *loose], key=lambda pair: str(pair[0]["at"]), reverse=True)


def log(messages: list[Row], zone: str | None, language: Language) -> Markup:
    return table(COLUMNS, [_line(call, answer, zone, language) for call, answer in pairs(messages)])


def _line(call: Row, answer: Row | None, zone: str | None, language: Language) -> Markup:
    way = "in" if call["direction"] == "in" else "out"
    latency = (answer or call)["latency_ms"]
    return line(
        Markup('<span class="num">{}</span>').format(f.clock(call["at"], zone, language)),
        Markup('<span class="arrow" aria-hidden="true">{}</span> {}').format(
            "→" if way == "in" else "←", t(f"log.{way}")
        ),
        Markup("<b>{}</b>").format(call["action"] or t(f"log.kind_{call['kind']}")),
        _answer(call, answer),
        Markup('<span class="num">{}</span>').format("–" if latency is None else f"{f.number(latency, language)} ms"),
        _content(call, answer),
    )


def _answer(call: Row, answer: Row | None) -> Markup:
    if call["kind"] != "call":
        return Markup('<span class="soft">–</span>')
    if answer is None:
        return Markup('<span class="soft">{}</span>').format(t("log.no_answer"))
    parts = frame(answer)
    if answer["kind"] == "error":
        return Markup('<span class="alert">{}</span>').format(_error_words(parts))
    payload = parts[2] if isinstance(parts, list) and len(parts) > 2 and isinstance(parts[2], dict) else {}
    status = payload.get("status") or (payload.get("idTagInfo") or {}).get("status")
    return Markup("{}").format(status or t("log.kind_result"))


def frame(row: Row) -> Any:
    """The frame as JSON; a broken one stays the text that came over the wire."""
    try:
        return json.loads(row["payload"])
    except ValueError:
        return row["payload"]


def _error_words(parts: Any) -> str:
    """Code and description of a CALLERROR `[4, id, code, description, details]`."""
    words = [str(part) for part in parts[2:4] if part] if isinstance(parts, list) else []
    return " · ".join(words) or t("log.kind_error")


def _content(call: Row, answer: Row | None) -> Markup:
    both = [frame(row) for row in (call, answer) if row is not None]
    text = "\n".join(json.dumps(part, ensure_ascii=False, indent=1) for part in both)
    return Markup(
        '<details id="m{}"><summary>JSON</summary><button type="button" data-copy="{}" data-done="{}">{}</button>'
        "<pre>{}</pre></details>"
    ).format(call["id"], text, t("log.copied"), t("log.copy"), text)
