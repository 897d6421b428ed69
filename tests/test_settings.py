"""Settings: names, order of sources, limits, and the secret that makes itself."""

import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from backend.settings import load_settings, variables


@pytest.fixture(autouse=True)
def empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no `.env` of the machine gets in."""
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings()
    assert (settings.database_url, settings.supabase_url, settings.supabase_key) == (None, None, None)
    assert (settings.data_dir, settings.ocpp_port, settings.api_port, settings.demo) == (Path("data"), 9000, 8000, True)


def test_every_variable_is_listed_with_default_and_meaning() -> None:
    assert list(variables())[:4] == ["DATABASE_URL", "SUPABASE_URL", "SUPABASE_KEY", "UNIEV_DATA_DIR"]
    assert variables()["UNIEV_OCPP_PORT"][0] == "9000"
    assert variables()["UNIEV_DEMO"][0] == "1"
    assert all(meaning for _, meaning in variables().values())


def test_every_listed_variable_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting each one to nonsense or to another value changes what is loaded, or is refused by name."""
    plain = load_settings()
    for variable, (default, _) in variables().items():
        other = "1" if default in ("0", "") else "0" if default == "1" else "7001"
        with monkeypatch.context() as patch:
            patch.setenv(variable, other)
            try:
                assert load_settings() != plain, variable
            except ValidationError as error:
                assert variable in str(error) or variable.removeprefix("UNIEV_").lower() in str(error)


def test_environment_wins_over_file_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("UNIEV_OCPP_PORT=9001\nUNIEV_API_PORT=8001\nDATABASE_URL=file\nSOMEBODY_ELSES=1\n")
    monkeypatch.setenv("UNIEV_OCPP_PORT", "9002")
    settings = load_settings(api_port=8003)
    assert (settings.ocpp_port, settings.api_port) == (9002, 8003)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "file"


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("UNIEV_OCPP_PORT", "")
    settings = load_settings()
    assert (settings.database_url, settings.ocpp_port) == (None, 9000)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UNIEV_OCPP_PORT", "70000"),
        ("UNIEV_HEARTBEAT_INTERVAL_S", "0"),
        ("UNIEV_LOG_LEVEL", "loud"),
        ("UNIEV_SECRET_KEY", "short"),
        ("UNIEV_DEMO", "perhaps"),
        ("UNIEV_SMTP_URL", "mail.example.org:25"),
        ("UNIEV_SMTP_URL", "smtp://user@mail.example.org"),
        ("UNIEV_MAIL_FROM", "UNIEV"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=f"(?i){variable.removeprefix('UNIEV_')}"):
        load_settings()


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = load_settings(
        database_url="postgresql://u:hunter2@h/d", supabase_key="sb_secret_hunter2", secret_key_given="hunter2" * 6
    )
    assert "hunter2" not in repr(settings) + str(settings)


def test_the_given_secret_is_used() -> None:
    assert load_settings(secret_key_given="x" * 32).secret_key == "x" * 32


def test_a_secret_is_made_once_and_kept_private() -> None:
    first, second = load_settings().secret_key, load_settings().secret_key
    assert first == second
    assert len(first) >= 32
    assert (Path("data") / "secret.key").stat().st_mode & 0o077 == 0


def test_processes_that_start_together_get_one_secret() -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load_settings().secret_key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in Path("data").iterdir()] == ["secret.key"]


@pytest.mark.parametrize("origins", ["*", "app.example.id", "https://a.id/path", "https://a.id, *"])
def test_origins_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("UNIEV_CORS_ORIGINS", origins)
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        load_settings()
    monkeypatch.setenv("UNIEV_CORS_ORIGINS", "https://A.id:8443, http://localhost")
    assert load_settings().origins == ("https://a.id:8443", "http://localhost")
