"""What the dashboards need to know from the environment or `.env`; nothing else is read anywhere below."""

import os
import secrets
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class DashboardSettings(BaseSettings):
    """Same names as the platform's own settings, because both read the same environment."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    uniev_api_url: str = "http://127.0.0.1:8000"
    uniev_data_dir: Path = Path("data")
    uniev_secret_key: SecretStr | None = None
    uniev_demo: bool = True
    uniev_cpo_port: int = 8501
    uniev_emsv_port: int = 8502

    @property
    def folder(self) -> Path:
        """Where the dashboards keep their login sessions."""
        return self.uniev_data_dir / "dashboards"

    def secret(self) -> str:
        """UNIEV_SECRET_KEY, else the secret the platform keeps in its data directory."""
        if self.uniev_secret_key is not None:
            return self.uniev_secret_key.get_secret_value()
        return _kept_secret(self.uniev_data_dir / "secret.key")


@lru_cache(maxsize=1)
def settings() -> DashboardSettings:
    """Read once per process."""
    return DashboardSettings()


def _kept_secret(path: Path) -> str:
    """The platform's kept secret; made here when a dashboard happens to start first."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # appears whole or not at all, and never replaces another process's secret
        draft.unlink()
    return path.read_text("ascii").strip()
