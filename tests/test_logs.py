"""Log lines: two forms, the level, and no secrets in either."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from backend.logs import hide_secrets, set_up_logs
from backend.settings import load_settings

LOG = logging.getLogger("uniev.test")


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    """What a test sets up does not stay."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(form: str, stream: io.StringIO | None = None, level: str = "info") -> io.StringIO:
    stream = stream or io.StringIO()
    set_up_logs(load_settings(_env_file=None, log_form=form, log_level=level), stream)
    return stream


def test_json_lines_hold_message_and_facts() -> None:
    stream = lines("json")
    LOG.info("charger %s connected", "CP1", extra={"charger_id": "CP1", "count": 2})
    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "uniev.test",
        "message": "charger CP1 connected",
        "charger_id": "CP1",
        "count": 2,
    }


def test_human_lines_are_one_readable_line() -> None:
    stream = lines("human")
    LOG.warning("charger connected", extra={"charger_id": "CP1"})
    assert stream.getvalue().endswith("WARNING uniev.test  charger connected  charger_id=CP1\n")


@pytest.mark.parametrize(("stream", "human"), [(Terminal(), True), (io.StringIO(), False)])
def test_the_form_follows_the_terminal(stream: io.StringIO, human: bool) -> None:
    lines("auto", stream)
    LOG.info("hello")
    assert stream.getvalue().startswith("{") is not human


def test_lines_below_the_level_are_left_out() -> None:
    stream = lines("human", level="warning")
    LOG.info("quiet")
    LOG.warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_setting_up_twice_writes_once() -> None:
    lines("human")
    stream = lines("human")
    LOG.info("once")
    assert stream.getvalue().count("once") == 1


@pytest.mark.parametrize("form", ["human", "json"])
def test_an_exception_is_told_without_its_secrets(form: str) -> None:
    stream = lines(form)
    try:
        raise RuntimeError("cannot reach postgresql://me:hunter2@db/uniev")
    except RuntimeError:
        LOG.exception("failed", extra={"password": "hunter2", "api_key": "hunter2"})
    assert "RuntimeError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hunter2@db/uniev",
        "Authorization: Bearer hunter2hunter2",
        "authorization: Basic aHVudGVyMjpodW50ZXIyhunter2",
        '{"password": "hunter2", "name": "x"}',
        "password=hunter2&name=x",
        "refresh_token: 'hunter2'",
        "apikey=sb_secret_hunter2",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2",
        "X-API-Key: hunter2",
    ],
)
def test_secrets_are_hidden_wherever_they_stand(text: str) -> None:
    assert "hunter2" not in hide_secrets(text)
    assert "***" in hide_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "charger ID-JKT01-1 connected from 10.0.0.7:51234",
        "started_at=2026-11-21T04:00:00Z energy_wh=1500.5",
        "GET http://127.0.0.1:8000/api/sessions?limit=50",
        "no password was given",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert hide_secrets(text) == text
