"""Door for people and programs: the REST API. `uvicorn backend.main_api:app --reload --port 8000`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from backend.api.application import create_app, equip
from backend.database import open_database
from backend.domain.errors import DomainError
from backend.domain.files import MIB, FileRules
from backend.domain.rates import Rate
from backend.domain.sso import SsoRules
from backend.gateways.oidc import OidcIssuer
from backend.gateways.rate_counter import open_counter
from backend.gateways.scanner import open_scanner
from backend.gateways.storage import open_storage
from backend.logs import set_up_logs
from backend.preflight import free_bytes
from backend.services.directory import build_directory
from backend.services.dossiers import Screens
from backend.services.sso import Sso
from backend.settings import Settings, load_settings

_log = logging.getLogger("uniev.api")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the database (joins or starts the embedded one), and gives it back at the end."""
    settings = load_settings()
    set_up_logs(settings)
    try:
        database = await open_database(settings)
    except DomainError as error:
        _log.critical("The API cannot start: %s", error.detail)
        raise
    try:
        storage = open_storage(settings.data_dir / "files", settings.supabase, open_scanner(settings.scan_uploads))
        rules = FileRules(settings.files_url, settings.max_firmware_mb * MIB, settings.max_log_mb * MIB)
        room = partial(free_bytes, settings.data_dir)
        directory = build_directory(
            database,
            settings.secret_key,
            former_keys=settings.former_keys,
            free_bytes=room,
            storage=storage,
            rules=rules,
            counter=open_counter(settings.redis_url.get_secret_value() if settings.redis_url else None),
            usual_rate=Rate(settings.rate_per_minute),
            screens=Screens(settings.cpo_screens, settings.emsv_screens),
            sso=_sso(settings),
        )
        equip(app, directory, settings.secret_key, settings.origins)
        yield
    finally:
        await database.close()


def _sso(settings: Settings) -> Sso | None:
    """Single sign-on, if an issuer is set."""
    if not settings.oidc_issuer:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    rules = SsoRules(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_name, settings.oidc_scopes,
        settings.oidc_role_claim, settings.oidc_roles, settings.oidc_cpo_claim,
    )  # fmt: skip
    return Sso(rules, OidcIssuer(rules.issuer, rules.client_id, secret))


app = create_app(_lifespan)
