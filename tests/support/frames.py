"""OCPP frames straight into the message log."""

from __future__ import annotations

from typing import Any

import msgspec

from backend.database import SYSTEM, Database
from backend.services.message_log import Message, columns_of


async def keep_frames(database: Database, *frames: dict[str, Any]) -> None:
    """Stores rows with the members of `Message`; times may be ISO texts."""
    await database.call("log_messages", columns_of([msgspec.convert(frame, Message) for frame in frames]), scope=SYSTEM)
