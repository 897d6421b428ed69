"""`python -m backend.admin`: each command as an administrator types it, on a real database."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend import admin
from backend.database import open_database
from backend.doctor import Finding, _differing, _disk
from backend.services.directory import build_directory
from backend.services.passwords import MIN_PASSWORD_LENGTH
from backend.services.pki import signing
from backend.settings import Settings
from tests.support.postgres import execute, run_sync

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line reads its settings from the environment, as always."""
    assert settings.database_url is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNIEV_DATA_DIR", str(tmp_path / "data"))
    for variable in ("OCPP", "API", "CPO", "EMSV", "SIMEV"):
        monkeypatch.setenv(f"UNIEV_{variable}_PORT", "0")


def _run(line: str, *more: str) -> int:
    return admin.main([*line.split(), *more])


def _typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def test_the_first_administrator_is_made(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _typed(monkeypatch, PASSWORD)
    assert _run("create-user --role emsv_admin --email Me@Example.ORG --password-stdin") == 0
    out = capsys.readouterr().out
    assert "me@example.org" in out and PASSWORD not in out


def test_the_password_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([PASSWORD, PASSWORD, PASSWORD, "another"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    assert _run("create-user --role noc_analyst --email noc@example.org") == 0
    with pytest.raises(SystemExit, match="differ"):
        _run("create-user --role noc_analyst --email noc2@example.org")
    assert "noc@example.org" in capsys.readouterr().out


def test_a_short_password_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _typed(monkeypatch, "short")
    assert _run("create-user --role emsv_admin --email me@example.org --password-stdin") == 1
    assert capsys.readouterr().err.strip() == f"A password has {MIN_PASSWORD_LENGTH} characters or more."


def test_a_cpo_gets_its_people_and_keys_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("create-cpo", "Borneo Volt") == 0
    assert _run("create-cpo", "Borneo Volt") == 1
    _typed(monkeypatch, PASSWORD)
    assert _run("create-user --role cpo_admin --email a@b.test --password-stdin --cpo", "borneo volt") == 0
    capsys.readouterr()
    assert _run("create-api-key --name ERP --days 30 --cpo", "Borneo Volt") == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"uniev_[\w-]{43}\n", printed.out)
    assert "once" in printed.err


def test_an_unknown_cpo_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("create-api-key --name ERP --cpo Nobody") == 1
    assert "none yet; see create-cpo" in capsys.readouterr().err
    _run("create-cpo", "Borneo Volt")
    assert _run("create-api-key --name ERP --cpo Nobody") == 1
    assert "Borneo Volt" in capsys.readouterr().err


def test_migrate_and_seed_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("migrate") == _run("seed-demo") == _run("seed-demo") == 0
    out = capsys.readouterr().out
    assert "61 stations" in out and "stands already" in out and "emsv@demo.uniev.id" in out


def test_mails_that_wait_are_printed_with_their_codes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNIEV_SECRET_KEY", settings.secret_key)

    async def put() -> None:
        database = await open_database(settings)
        values = {"name": "Sari", "code": "123456", "minutes": "30", "link": "http://x"}
        mails = build_directory(database, settings.secret_key).mails
        await mails.send(to="sari@example.test", template="registration_code", language="en", values=values)
        await database.close()

    run_sync(put())
    assert _run("mails --limit 5") == 0
    printed = capsys.readouterr()
    assert "to sari@example.test" in printed.out and "123456" in printed.out
    assert "1 mails wait" in printed.err


def test_the_doctor_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("doctor") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4].strip() for line in lines if "OCPP server" in line] == ["FAIL"]
    assert any(line.startswith("ok    database: answers") for line in lines)
    assert any("make run" in line for line in lines)
    assert not any("people" in line for line in lines)


@pytest.mark.parametrize(("days", "found"), [
    (90, "ok    TLS port: CN=localhost,O=UNIEV ends on {end}; append its root"),
    (12, "FAIL  TLS port: CN=localhost,O=UNIEV ends on {end}; put a renewed one"),
    (-2, "FAIL  TLS port: CN=localhost,O=UNIEV ended on {end}; put a renewed one"),
])  # fmt: skip
def test_the_doctor_says_until_when_the_port_with_tls_is_certified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, days: int, found: str
) -> None:
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    _root, issuing = signing.make_authority(end - timedelta(days=signing.ROOT_DAYS))
    [(certificate, key), _rsa] = signing.sign_server(issuing, ["localhost"], end - timedelta(days=200))
    (tmp_path / "port.pem").write_text(signing.pem_of(certificate) + issuing.pem)
    (tmp_path / "port.key").write_text(signing.key_pem(key))
    monkeypatch.setenv("UNIEV_OCPP_TLS_PORT", "0")
    monkeypatch.setenv("UNIEV_OCPP_TLS_CERT", str(tmp_path / "port.pem"))
    monkeypatch.setenv("UNIEV_OCPP_TLS_KEY", str(tmp_path / "port.key"))
    _run("doctor")
    assert found.format(end=f"{end:%Y-%m-%d}") in capsys.readouterr().out


def test_the_doctor_looks_at_no_file_of_a_port_that_needs_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()
    for variables, found in (
        ({}, "ok    TLS port: UNIEV_OCPP_TLS_PORT is not set"),
        ({"PORT": "0"}, "ok    TLS port: certified by the platform's own authority"),
        ({"CERT": str(tmp_path / "none.pem"), "KEY": "x"}, "FAIL  TLS port: The TLS certificate of the OCPP port"),
        ({"CERT": str(tmp_path / "empty.pem"), "KEY": str(tmp_path / "empty.pem")}, "FAIL  TLS port: A file of"),
    ):
        for name, value in variables.items():
            monkeypatch.setenv(f"UNIEV_OCPP_TLS_{name}", value)
        _run("doctor")
        assert found in capsys.readouterr().out


def test_events_that_were_given_up_are_told_and_tried_again(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    assert settings.database_url is not None
    insert = (
        "insert into public.outbox (topic, payload, tries, last_error, given_up_at) "
        "select 'session.ended', '{}', 9, 'ValueError: no', now() from generate_series(1, 3)"
    )
    run_sync(execute(settings.database_url.get_secret_value(), insert))
    assert _run("events") == 0
    told = capsys.readouterr()
    assert told.out.count("after 9 tries: ValueError: no") == 3 and "3 events were given up" in told.err
    first = told.out.split()[0]

    assert _run(f"events --retry {first}") == 0
    assert capsys.readouterr().out == "1 events are tried again.\n"
    assert _run("events --retry") == 0
    assert capsys.readouterr().out == "2 events are tried again.\n"
    _run("events")
    assert "0 events were given up" in capsys.readouterr().err


def test_the_doctor_names_people_of_the_demo(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    assert settings.database_url is not None
    insert = (
        "insert into public.users (email, name, role, password_hash, demo) "
        "values ('a@b.test', 'A', 'noc_analyst', 'x', true)"
    )
    run_sync(execute(settings.database_url.get_secret_value(), insert))
    _run("doctor")

    assert "people: 1 of the demo sign in with a known password" in capsys.readouterr().out


def test_the_doctor_survives_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    assert _run("doctor") == 1
    out = capsys.readouterr().out
    assert "FAIL  database: The database cannot be reached" in out
    assert "secret" not in out


def test_settings_that_do_not_fit_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNIEV_SECRET_KEY", "short")
    assert _run("migrate") == 1
    assert "32 characters" in capsys.readouterr().err


def test_missing_and_differing_packages_are_told_apart() -> None:
    text = "pytest==0.0.1  # old\nno-such-package==1.0\n-c constraints.txt\n# comment\n"
    first, second = _differing(text)
    assert first.startswith("pytest is ") and first.endswith("instead of 0.0.1")
    assert second == "no-such-package is missing"


def test_a_data_directory_that_does_not_exist_yet_is_measured_at_its_parent(tmp_path: Path) -> None:
    found = _disk(tmp_path / "a" / "b")
    assert isinstance(found, Finding) and found.ok
