"""Every action that OCPP 1.6 has from the platform to a charger. The table makes the routes (`api/commands.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from backend.api.actions import core, firmware, security, smart_charging, tokens
from backend.api.actions.payload import Action

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {**core.ACTIONS, **firmware.ACTIONS, **tokens.ACTIONS, **smart_charging.ACTIONS, **security.ACTIONS}
)
