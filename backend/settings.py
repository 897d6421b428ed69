"""Every environment variable of the platform, typed, once. Read from the environment or `.env`.

A field `ocpp_port` is the variable UNIEV_OCPP_PORT, unless its alias says otherwise.
"""

import re
import secrets
from contextlib import suppress
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.domain.retention import kept_days
from backend.domain.roles import Role

_SECRET_FILE = "secret.key"
_LEAST_SECRET_LENGTH = 32
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?|https?://\[[0-9a-fA-F:]+\](:\d+)?")
_SMTP_URL = re.compile(r"smtps?://([^:@/\s]+:[^@/\s]+@)?([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?")


class Settings(BaseSettings):
    """The platform's settings. Names, defaults and descriptions make the README's table (tested)."""

    model_config = SettingsConfigDict(
        env_prefix="UNIEV_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL to use (15 or newer). First choice when set.",
    )
    supabase_url: str | None = Field(
        None,
        validation_alias="SUPABASE_URL",
        description="Supabase project URL. Second choice, together with SUPABASE_KEY.",
    )
    supabase_key: SecretStr | None = Field(
        None, validation_alias="SUPABASE_KEY", description="The project's secret (service) key."
    )
    data_dir: Path = Field(
        Path("data"), description="Where the embedded PostgreSQL (third choice) and generated secrets live."
    )
    ocpp_host: str = Field("0.0.0.0", description="Address the OCPP server listens on.")
    ocpp_port: int = Field(9000, ge=0, le=65535, description="Port of the OCPP server.")
    ocpp_tls_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of OCPP over TLS (security profiles 2 and 3), beside the plain one; none if unset.",
    )
    ocpp_tls_cert: str | None = Field(
        None,
        description="Own certificate of that port: PEM file with its chain; several (one per kind of key) with commas.",
    )
    ocpp_tls_key: str | None = Field(None, description="Its key: PEM file; several in the same order, with commas.")
    ocpp_tls_hosts: str = Field(
        "localhost,127.0.0.1",
        description="Without an own certificate: names that the platform's authority certifies, with commas.",
    )
    ocpp_accept_unknown: bool = Field(
        False, description="1: a charger of unknown identity is registered as discovered, pending approval."
    )
    ocpp_drain_s: float = Field(
        0.0, ge=0, le=3600, description="Seconds over which SIGTERM lets the sockets of an OCPP server go."
    )
    ocpp_ping_interval_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Every socket is pinged so often (s), and dropped when silent for 2⅓ times that.",
    )
    heartbeat_interval_s: int = Field(
        300, ge=1, le=86_400, description="Heartbeat interval told to chargers, in seconds."
    )
    silent_session_s: int = Field(
        86_400,
        ge=600,
        le=31_536_000,
        description="A session of which nothing was heard for so long is closed, in seconds.",
    )
    reading_gap_s: int = Field(
        7200,
        ge=60,
        le=31_536_000,
        description="Longest silence (s) between two readings that is believed; a longer one holds the session.",
    )
    api_host: str = Field("127.0.0.1", description="Address the REST API listens on (under `make run`).")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the REST API (under `make run`).")
    api_url: str = Field("http://127.0.0.1:8000", description="Where the dashboards find the REST API.")
    public_url: str | None = Field(
        None, description="The REST API as chargers reach it, for firmware and logs; UNIEV_API_URL if unset."
    )
    max_firmware_mb: int = Field(512, ge=1, le=10_240, description="Largest file of firmware, in MiB.")
    max_log_mb: int = Field(100, ge=1, le=10_240, description="Largest log that a charger may upload, in MiB.")
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…. Unset: mails wait, readable.",
    )
    mail_from: str = Field("UNIEV <no-reply@localhost>", description="Sender of the platform's mails.")
    oidc_issuer: str | None = Field(
        None,
        validation_alias="OIDC_ISSUER",
        description="Single sign-on: the OpenID Connect issuer (Keycloak, Supabase Auth, Google); none if unset.",
    )
    oidc_client_id: str = Field("uniev", validation_alias="OIDC_CLIENT_ID", description="Our client at the issuer.")
    oidc_client_secret: SecretStr | None = Field(
        None, validation_alias="OIDC_CLIENT_SECRET", description="Its secret; a public client has none."
    )
    oidc_name: str = Field("SSO", validation_alias="OIDC_NAME", description="What the login page calls the issuer.")
    oidc_scopes: str = Field(
        "openid email profile", validation_alias="OIDC_SCOPES", description="Scopes that are asked of the issuer."
    )
    oidc_role_claim: str = Field(
        "roles", validation_alias="OIDC_ROLE_CLAIM", description="Claim with roles, e.g. realm_access.roles."
    )
    oidc_role_map: str = Field(
        "",
        validation_alias="OIDC_ROLE_MAP",
        description="Claim's value=role, with commas, first match wins; empty: values are role names.",
    )
    oidc_cpo_claim: str = Field(
        "cpo", validation_alias="OIDC_CPO_CLAIM", description="Claim with the CPO's id or name, for new people."
    )
    cpo_url: str | None = Field(
        None, description="The CPO dashboard as people reach it, for links in mails; this machine's if unset."
    )
    emsv_url: str | None = Field(
        None, description="The EMSV dashboard as people reach it, for links in mails; this machine's if unset."
    )
    cpo_port: int = Field(8501, ge=0, le=65535, description="Port of the CPO dashboard (under `make run`).")
    emsv_port: int = Field(8502, ge=0, le=65535, description="Port of the EMSV dashboard (under `make run`).")
    simev_port: int = Field(8503, ge=0, le=65535, description="Port of the simulator screen (under `make run`).")
    rate_per_minute: int = Field(
        6000,
        ge=0,
        le=1_000_000,
        description="Requests a minute that a person, an API key or a public address may send; 0: no limits at all.",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis (redis://, rediss://, redis+unix://) that counts requests for several API processes.",
    )
    cors_origins: str | None = Field(
        None,
        description="Origins whose web pages may call the API from a browser (https://app.example.id), with commas.",
    )
    scan_uploads: str | None = Field(
        None,
        description="Scanner of uploads: clamd://HOST:3310, clamd:///SOCKET, or a command (0: clean, 1: infected).",
    )
    demo: bool = Field(True, description="1: seed the demo nation and run the simulated fleet; 0: an empty platform.")
    message_log_days: int = Field(30, ge=1, le=3650, description="Days that OCPP messages are kept in the message log.")
    retention_days: str = Field(
        "", description="Other days for classes of data than docs/privacy.md says: commands=100, uploaded_logs=7."
    )
    audit_log_days: int | None = Field(
        None, ge=365, le=36_500, description="Days that the audit log is kept; for ever if unset."
    )
    secret_key_given: SecretStr | None = Field(
        None,
        validation_alias="UNIEV_SECRET_KEY",
        description="Signs access tokens, seals secrets (≥ 32 characters). If unset: made and kept in the data folder.",
    )
    former_secret_keys: SecretStr | None = Field(
        None,
        description="Former UNIEV_SECRET_KEYs, with commas: open what they sealed until `rotate-secrets` has run.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged: debug, info, warning, error."
    )
    log_form: Literal["auto", "human", "json"] = Field(
        "auto", description="Form of log lines: human, json, or auto (human on a terminal, JSON otherwise)."
    )

    @field_validator("log_level", "log_form", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("retention_days")
    @classmethod
    def _classes_of_data(cls, value: str) -> str:
        kept_days(value)
        return value

    @field_validator("secret_key_given")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _LEAST_SECRET_LENGTH:
            raise ValueError(f"UNIEV_SECRET_KEY needs {_LEAST_SECRET_LENGTH} characters or more")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _SMTP_URL.fullmatch(value.get_secret_value()):
            raise ValueError("UNIEV_SMTP_URL must look like smtp://user:password@host:587 or smtps://…")
        return value

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not re.fullmatch(r"[^@\s]+@[\w.-]+", parseaddr(value)[1]) or not value.isprintable():
            raise ValueError("UNIEV_MAIL_FROM must look like UNIEV <no-reply@example.org>")
        return value

    @field_validator("oidc_role_map")
    @classmethod
    def _a_map(cls, value: str) -> str:
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not name.strip() or role.strip() not in set(Role) for name, _, role in pairs):
            raise ValueError("OIDC_ROLE_MAP must look like admins=cpo_admin,money=cpo_finance")
        return value

    @property
    def oidc_roles(self) -> dict[str, str]:
        """The claim's values and the roles they stand for, in order."""
        pairs = [pair.partition("=") for pair in self.oidc_role_map.split(",") if pair.strip()]
        return {name.strip(): role.strip() for name, _, role in pairs}

    @property
    def cpo_screens(self) -> str:
        """The CPO dashboard as people reach it, without a slash at the end."""
        return (self.cpo_url or f"http://127.0.0.1:{self.cpo_port}").rstrip("/")

    @property
    def emsv_screens(self) -> str:
        """The EMSV dashboard as people reach it, without a slash at the end."""
        return (self.emsv_url or f"http://127.0.0.1:{self.emsv_port}").rstrip("/")

    @field_validator("cors_origins")
    @classmethod
    def _origins_alone(cls, value: str | None) -> str | None:
        for origin in (value or "").split(","):
            if origin.strip() and not _ORIGIN.fullmatch(origin.strip()):
                raise ValueError(f"UNIEV_CORS_ORIGINS: {origin.strip()!r} is not of the form https://host[:port]")
        return value

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that browsers may come from."""
        return tuple(origin.strip().lower() for origin in (self.cors_origins or "").split(",") if origin.strip())

    @property
    def files_url(self) -> str:
        """Base of the links given to chargers, without a slash at the end."""
        return (self.public_url or self.api_url).rstrip("/")

    @property
    def kept_days(self) -> dict[str, int]:
        """Days that data are kept, by class."""
        return kept_days(self.retention_days)

    @property
    def supabase(self) -> tuple[str, str] | None:
        """URL and key of the project, if it is the database that is used."""
        if self.database_url is not None or not self.supabase_url or self.supabase_key is None:
            return None
        return self.supabase_url, self.supabase_key.get_secret_value()

    @cached_property
    def secret_key(self) -> str:
        """The signing secret: UNIEV_SECRET_KEY, else the one kept in the data directory (made once)."""
        if self.secret_key_given is not None:
            return self.secret_key_given.get_secret_value()
        return _kept_secret(self.data_dir / _SECRET_FILE)

    @cached_property
    def former_keys(self) -> tuple[str, ...]:
        """Secrets that may still open what they sealed: those named, and the kept one if another was given since."""
        named = self.former_secret_keys.get_secret_value().split(",") if self.former_secret_keys else []
        kept = self.data_dir / _SECRET_FILE
        if self.secret_key_given is not None and kept.exists():
            named.append(kept.read_text(encoding="ascii"))
        return tuple(text for text in (name.strip() for name in named) if text)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment and `.env`; keyword arguments (field names) win over both.

    Raises pydantic.ValidationError, which names every variable that does not fit.
    """
    return Settings(**overrides)  # type: ignore[arg-type]


def variables() -> dict[str, tuple[str, str]]:
    """Environment variable → (default as text, description), in order. For the README and `doctor`."""
    prefix = Settings.model_config.get("env_prefix", "")
    listed = {}
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"{prefix}{name}".upper())
        default = field.default
        shown = "" if default is None else str(int(default) if isinstance(default, bool) else default)
        listed[variable] = (shown, field.description or "")
    return listed


def _kept_secret(path: Path) -> str:
    """Reads the secret, or makes it. Linking settles a race: one process's secret appears, and whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="ascii").strip()
