"""Every environment variable of the platform, typed, once. Read from the environment or `.env`."""

import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_FILE = "secret.key"


class Settings(BaseSettings):
    """The platform's settings. Field descriptions are the README's table of settings (tested)."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True,
        populate_by_name=True,
    )  # fmt: skip

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL to use (15 or newer). First choice when set."
    )
    supabase_url: str | None = Field(
        None, description="Supabase project URL. Used when DATABASE_URL is unset."
    )
    supabase_key: SecretStr | None = Field(None, description="Supabase secret (service) key.")
    data_dir: Path = Field(
        Path("data"),
        validation_alias=AliasChoices("UNIEV_DATA_DIR", "data_dir"),
        description="Where the embedded PostgreSQL and the generated secret live.",
    )
    ocpp_host: str = Field(
        "0.0.0.0",
        validation_alias=AliasChoices("UNIEV_OCPP_HOST", "ocpp_host"),
        description="Address the OCPP server listens on.",
    )
    ocpp_port: int = Field(
        9000, ge=0, le=65535, validation_alias=AliasChoices("UNIEV_OCPP_PORT", "ocpp_port"),
        description="Port of the OCPP server.",
    )  # fmt: skip
    ocpp_accept_unknown: bool = Field(
        False,
        validation_alias=AliasChoices("UNIEV_OCPP_ACCEPT_UNKNOWN", "ocpp_accept_unknown"),
        description="1: a charger with an unknown identity is registered as discovered, pending approval.",
    )
    heartbeat_interval_s: int = Field(
        300, ge=1, le=86_400,
        validation_alias=AliasChoices("UNIEV_HEARTBEAT_INTERVAL_S", "heartbeat_interval_s"),
        description="Heartbeat interval told to chargers, in seconds.",
    )  # fmt: skip
    api_host: str = Field(
        "127.0.0.1", validation_alias=AliasChoices("UNIEV_API_HOST", "api_host"),
        description="Address the REST API listens on (under `make run`).",
    )  # fmt: skip
    api_port: int = Field(
        8000, ge=0, le=65535, validation_alias=AliasChoices("UNIEV_API_PORT", "api_port"),
        description="Port of the REST API (under `make run`).",
    )  # fmt: skip
    api_url: str = Field(
        "http://127.0.0.1:8000", validation_alias=AliasChoices("UNIEV_API_URL", "api_url"),
        description="Where dashboards find the REST API.",
    )  # fmt: skip
    demo: bool = Field(
        True, validation_alias=AliasChoices("UNIEV_DEMO", "demo"),
        description="1: seed the demo nation and run the simulated fleet; 0: an empty platform.",
    )  # fmt: skip
    secret_key_given: SecretStr | None = Field(
        None, validation_alias=AliasChoices("UNIEV_SECRET_KEY", "secret_key_given"),
        description="Signs access tokens (32 characters or more). Made and kept in the data directory if unset.",
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias=AliasChoices("UNIEV_LOG_LEVEL", "log_level"),
        description="Least severity that is logged: debug, info, warning, error.",
    )  # fmt: skip
    log_form: Literal["auto", "human", "json"] = Field(
        "auto", validation_alias=AliasChoices("UNIEV_LOG_FORM", "log_form"),
        description="Form of log lines: human, json, or auto (human on a terminal, JSON otherwise).",
    )  # fmt: skip

    @field_validator("log_level", "log_form", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("secret_key_given")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("UNIEV_SECRET_KEY needs 32 characters or more")
        return value

    @cached_property
    def secret_key(self) -> str:
        """The signing secret: UNIEV_SECRET_KEY, else the one kept in the data directory (made once)."""
        if self.secret_key_given is not None:
            return self.secret_key_given.get_secret_value()
        return _kept_secret(self.data_dir / SECRET_FILE)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment and `.env`; keyword arguments (field names) win over both.

    Raises pydantic.ValidationError, which names every variable that does not fit.
    """
    return Settings(**overrides)  # type: ignore[arg-type]


def _kept_secret(path: Path) -> str:
    """Reads the secret, or makes it. Exclusive creation settles a race between two processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # appears whole or not at all
        draft.unlink()
    return path.read_text(encoding="ascii").strip()
