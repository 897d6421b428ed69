"""Commands on their way: from the queue to the charger's socket, and the answer back.

One command per charger at a time. A new one announces itself (NOTIFY) or is found by polling: often while
there is work, seldom when there is none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Final

from backend.domain.charger_password import hash_password
from backend.domain.configuration import hide_in_answer, new_password, with_fresh_password
from backend.domain.errors import DatabaseUnavailable, DomainError
from backend.ocppj.connection import CallFailed, NotConnected, Unanswered
from backend.ocppj.registry import Registry
from backend.services.dispatch import CLAIMED_AT_ONCE, Claim, Dispatch, Outcome

log = logging.getLogger(__name__)

# An answer's status that means yes; an action not named here has only "Accepted" (or no status at all).
_YES: Final = {
    "ChangeAvailability": {"Accepted", "Scheduled"},
    "ChangeConfiguration": {"Accepted", "RebootRequired"},
    "GetLog": {"Accepted", "AcceptedCanceled"},
    "SignedUpdateFirmware": {"Accepted", "AcceptedCanceled"},
    "UnlockConnector": {"Unlocked"},
}
# Actions whose effect shows later: a session begins or ends, the charger boots, the connector says so.
_HAVE_EFFECT: Final = {"RemoteStartTransaction", "RemoteStopTransaction", "Reset", "ChangeAvailability"}
_GOODBYE_S: Final = 1.0  # in which it is stored that a socket has closed
_TRY_AGAIN_S: Final = 1.0


class Delivery:
    """Runs until cancelled. `call_timeout_s`: how long a charger may take to answer."""

    def __init__(self, dispatch: Dispatch, registry: Registry, *, call_timeout_s: float = 30.0) -> None:
        self._dispatch = dispatch
        self._registry = registry
        self._call_timeout_s = call_timeout_s
        self._news = asyncio.Event()
        self._busy: dict[str, asyncio.Task[bool]] = {}
        self._arriving: Counter[str] = Counter()  # whose socket is open, but not stored yet
        self._asked_again: set[str] = set()  # of the busy and the arriving: whose command announced itself too early
        self._listening = False
        self._claiming = False

    @property
    def hurries(self) -> bool:
        """Somebody waits for a command to leave."""
        return self._claiming or self._news.is_set()

    def wake(self, charger_id: str = "") -> None:
        """There may be something to send to this charger (a new command, or it connected); "": to any."""
        if not charger_id:
            self._asked_again.update(self._busy, self._arriving)
        elif charger_id in self._busy or charger_id in self._arriving:
            self._asked_again.add(charger_id)
        self._news.set()

    def arrives(self, charger_id: str) -> None:
        """Its socket is being stored: until then its commands cannot be claimed. `arrived` follows."""
        self._arriving[charger_id] += 1

    def arrived(self, charger_id: str, awaited: bool) -> None:
        """Its socket is stored; `awaited`: commands were waiting for it."""
        self._arriving[charger_id] -= 1
        if not self._arriving[charger_id]:
            del self._arriving[charger_id]
        if awaited or charger_id in self._asked_again:
            self._asked_again.discard(charger_id)
            self.wake(charger_id)

    async def run(self) -> None:
        """Claims and delivers."""
        if self._dispatch.listens and not self._listening:
            await self._dispatch.listen(self.wake)
            self._listening = True
        idle_s, longest_s = (5.0, 5.0) if self._dispatch.listens else (0.2, 1.5)
        try:
            while True:
                claimed = await self._claim()
                idle_s = longest_s if self._dispatch.listens else 0.2 if claimed else min(idle_s * 1.5, longest_s)
                await self._wait(idle_s)
        finally:
            for task in self._busy.values():
                task.cancel()

    async def _wait(self, longest_s: float) -> None:
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the news.
            async with asyncio.timeout(longest_s):
                await self._news.wait()
        self._news.clear()

    async def _claim(self) -> int:
        self._claiming = True
        try:
            claims = await self._dispatch.claim(self._busy.keys())
        except DomainError as error:
            log.warning("commands cannot be claimed now: %s", error.detail)
            asyncio.get_running_loop().call_later(_TRY_AGAIN_S, self._news.set)
            return 0
        finally:
            self._claiming = False
        for claim in claims:
            task = asyncio.create_task(self._deliver(claim))
            self._busy[claim.charger_id] = task
            task.add_done_callback(partial(self._done, claim.charger_id))
        if len(claims) == CLAIMED_AT_ONCE:
            self._news.set()  # there may be more
        return len(claims)

    def _done(self, charger_id: str, task: asyncio.Task[bool]) -> None:
        self._busy.pop(charger_id, None)
        asked_again = charger_id in self._asked_again
        self._asked_again.discard(charger_id)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("delivery to %s failed", charger_id, exc_info=error)
        if asked_again or error is not None or task.result():
            self.wake(charger_id)

    async def _deliver(self, claim: Claim) -> bool:
        """Returns whether another command may wait for that charger."""
        try:
            outcome = await self._ask(claim)
        except NotConnected:
            await asyncio.sleep(_GOODBYE_S)  # the charger is busy meanwhile, so that it is not claimed in circles
            outcome = None
        while True:
            try:
                if outcome is None:
                    await self._dispatch.release(claim)
                    return True
                return await self._dispatch.settle(claim.id, outcome)
            except DatabaseUnavailable as error:
                log.warning("outcome of command %s not stored yet: %s", claim.id, error.detail)
                await asyncio.sleep(1.0)
            except DomainError as error:
                log.warning("the answer to command %s cannot be stored: %s", claim.id, error.detail)
                if outcome is None or outcome.error_code == "BadAnswer":
                    return True  # not even that: the clock ends it, and this charger's next command goes on
                outcome = Outcome("failed", None, "BadAnswer", "The charger's answer cannot be stored.")

    async def _ask(self, claim: Claim) -> Outcome:
        connection = self._registry.get(claim.charger_id)
        if connection is None:
            raise NotConnected
        if not connection.dialect.may_ask(connection, claim.action, claim.payload):
            return Outcome("failed", None, "NotAccepted", "The charger's registration is not accepted yet.")
        payload = with_fresh_password(claim.action, claim.payload)
        try:
            await self._prepare(claim, payload)
            answer = await connection.call(claim.action, payload, self._call_timeout_s)
        except CallFailed as failure:
            status = "timed_out" if isinstance(failure, Unanswered) else "failed"
            return Outcome(status, None, failure.code, failure.description)
        return judge(claim.action, hide_in_answer(answer))

    async def _prepare(self, claim: Claim, payload: dict[str, Any]) -> None:
        """A new password must be good before it leaves: its answer may be lost, and the charger keep it."""
        password = new_password(claim.action, payload)
        if password is None:
            return
        try:
            expected = await self._dispatch.expect_password(claim.id, hash_password(password))
        except DomainError as error:
            log.warning("a new password was not sent: %s", error.detail)
            expected = False
        if not expected:
            raise CallFailed("NotSent", "The new password could not be stored, so it was not sent.")


def judge(action: str, answer: dict[str, Any]) -> Outcome:
    """Accepted or rejected, by the status of the charger's answer."""
    status = str(answer.get("status", "Accepted"))
    yes = status in _YES.get(action, {"Accepted"})
    return Outcome("accepted" if yes else "rejected", answer, expects_effect=yes and action in _HAVE_EFFECT)
