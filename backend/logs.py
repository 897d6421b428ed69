"""Log lines: readable on a terminal, one JSON object per line otherwise. Secrets never.

Give machines their facts through `extra=`: `log.info("charger connected", extra={"charger_id": "CP1"})`.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from backend.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HIDDEN = "***"
# Names whose value is a secret, wherever they stand: in `extra`, in a URL's query, in JSON, as a header.
_SECRET_NAME = re.compile(
    r"(?i)(password|passwd|secret|authorization|(?:api|service|supabase)[-_]?key|(?:access|refresh)[-_]?token)"
)
_PATTERNS = (
    (re.compile(r"(?<=://)([^:/@\s]*):([^@\s]*)@"), rf"\1:{_HIDDEN}@"),  # user:password@host
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _HIDDEN),  # a JWT
    (re.compile(r"\bsb_secret_\w+"), _HIDDEN),
    (re.compile(r"(/files/(?:firmware|uploads)/)[\w-]{16,}"), rf"\1{_HIDDEN}"),  # a one-time link
    (
        re.compile(_SECRET_NAME.pattern + r"""(["']?\s*[=:]\s*["']?)(?!\s*\*)[^\s"'&,;}]+"""),
        rf"\1\2{_HIDDEN}",
    ),
)


def hide_secrets(text: str) -> str:
    """`text` with passwords, tokens and keys replaced by ***."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def set_up_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends every log line of this process to `stream` (stderr). Repeating it replaces the former set-up."""
    target = stream or sys.stderr
    human = settings.log_form == "human" or (settings.log_form == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(HumanLines() if human else JsonLines())
    root = logging.getLogger()
    for former in [known for known in root.handlers if isinstance(known.formatter, HumanLines | JsonLines)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    access = logging.getLogger("uvicorn.access")  # has lines of its own, which name the path
    if not any(isinstance(known, HideLinks) for known in access.filters):
        access.addFilter(HideLinks())
    for chatty in ("httpx", "httpcore", "hpack", "asyncio"):  # their `info` is our `debug`
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


class HideLinks(logging.Filter):
    """Takes secrets out of what a foreign formatter will show."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(hide_secrets(part) if isinstance(part, str) else part for part in record.args)
        return True


class HumanLines(logging.Formatter):
    """`12:00:01 INFO    uniev.ocpp  charger connected  charger_id=CP1`, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        facts = "".join(f"  {name}={value}" for name, value in _facts(record).items())
        line = hide_secrets(f"{time} {record.levelname:<7} {record.name}  {record.getMessage()}{facts}")
        return line + _trace(self, record, "\n")


class JsonLines(logging.Formatter):
    """One object per line: at (UTC), level, logger, message, the facts, and `trace` after an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
            **{name: _shown(value) for name, value in _facts(record).items()},
        }
        if trace := _trace(self, record, ""):
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=False, default=str)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """What came through `extra=`; the value of a secret's name never appears."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: _HIDDEN if _SECRET_NAME.search(name) else value for name, value in given.items()}


def _shown(value: object) -> object:
    return hide_secrets(value) if isinstance(value, str) else value


def _trace(formatter: logging.Formatter, record: logging.LogRecord, before: str) -> str:
    if not record.exc_info:
        return ""
    return before + hide_secrets(formatter.formatException(record.exc_info))
