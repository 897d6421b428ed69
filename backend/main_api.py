"""Door for people and programs: the REST API. `uvicorn backend.main_api:app --reload --port 8000`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from backend.api.application import create_app, equip
from backend.database import open_database
from backend.services.directory import build_directory
from backend.settings import load_settings


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the database (joins or starts the embedded one), and gives it back at the end."""
    settings = load_settings()
    database = await open_database(settings)
    try:
        equip(app, build_directory(database, settings.secret_key), settings.secret_key)
        yield
    finally:
        await database.close()


app = create_app(_lifespan)
