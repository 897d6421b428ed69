"""The delivering side of commands: claim what is queued, settle what was answered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import msgspec

from backend.database import SYSTEM, Database
from backend.database.direct import DirectDatabase
from backend.domain.json_text import storable

CHANNEL = "uniev_commands"
CLAIMED_AT_ONCE = 100
_encode = msgspec.json.Encoder().encode


class Claim(NamedTuple):
    """A command that is ours to send now; `payload` has OCPP member names."""

    id: str
    charger_id: str
    action: str
    payload: dict[str, Any]


class Outcome(NamedTuple):
    """accepted, rejected, failed or timed_out, with what the charger answered."""

    status: str
    response: dict[str, Any] | None = None
    error_code: str | None = None
    error_description: str | None = None
    expects_effect: bool = False


class Dispatch:
    """The command queue as one OCPP server sees it."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    @property
    def listens(self) -> bool:
        """Whether new commands announce themselves (direct transport); otherwise they are found by polling."""
        return self._database.listens

    async def listen(self, on_command: Callable[[str], None]) -> None:
        """Calls `on_command(charger_id)` for each new command, and with "" when some may have been missed."""
        if isinstance(self._database, DirectDatabase):
            await self._database.listen(CHANNEL, on_command)

    async def claim(self, busy: Collection[str]) -> list[Claim]:
        """The next command of each of our chargers that is not busy, of CLAIMED_AT_ONCE chargers at most; claimed once,
        by one node."""
        rows = await self._database.call(
            "claim_commands", {"p_node": self._node, "p_busy": list(busy), "p_limit": CLAIMED_AT_ONCE}, scope=SYSTEM
        )
        return [Claim(row["id"], row["charger_id"], row["action"], row["payload"]) for row in rows]

    async def expect_password(self, command_id: str, password_hash: str) -> bool:
        """Makes a new password valid beside the present one, before it leaves; False: it is not to be sent any more."""
        arguments = {"p_command_id": command_id, "p_password_hash": password_hash}
        expected: bool = await self._database.call("expect_password", arguments, scope=SYSTEM)
        return expected

    async def release(self, claim: Claim) -> None:
        """Puts back what could not be sent, until it expires."""
        arguments = {"p_id": claim.id, "p_payload": msgspec.Raw(storable(_encode(claim.payload)))}
        await self._database.call("release_command", arguments, scope=SYSTEM)

    async def settle(self, command_id: str, outcome: Outcome) -> bool:
        """Stores the outcome; a second one changes nothing. Returns whether another command waits for that charger."""
        another: bool = await self._database.call(
            "settle_command",
            {
                "p_id": command_id,
                "p_status": outcome.status,
                "p_response": None if outcome.response is None else msgspec.Raw(storable(_encode(outcome.response))),
                "p_error_code": _text(outcome.error_code),
                "p_error_description": _text(outcome.error_description),
                "p_expects_effect": outcome.expects_effect,
            },
            scope=SYSTEM,
        )
        return another


def _text(words: str | None) -> str | None:
    return words and words.replace("\0", "\ufffd")[:1000]
