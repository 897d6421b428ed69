"""The normalising rules as an OCPP server needs them: which charger is treated how, in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from backend.database import SYSTEM, Database
from backend.domain.errors import DomainError
from backend.domain.normalising import Rule, Treatment

log = logging.getLogger(__name__)
_WHOLE_EVERY: Final = 60  # looks, after which the whole is read even if no rule changed: firmware did, elsewhere


class Treatments:
    """Most chargers have none, and cost a look into a dictionary per message. Rules take effect within `every_s`."""

    def __init__(self, database: Database, *, every_s: float = 10.0) -> None:
        self._database = database
        self._every_s = every_s
        self._version: str | None = None
        self._rules: list[Rule] = []
        self._of: dict[str, Treatment] = {}
        self._made: dict[tuple[str, ...], Treatment] = {}

    def of(self, charger_id: str) -> Treatment | None:
        """How this charger's messages are treated; None: not at all."""
        return self._of.get(charger_id)

    def booted(self, charger_id: str, vendor: str | None, model: str | None, firmware: str | None) -> None:
        """A charger told which firmware it runs."""
        self._give(charger_id, [rule for rule in self._rules if rule.fits(vendor, model, firmware)])

    async def load(self) -> None:
        """Reads the rules if they have changed. Raises DatabaseUnavailable."""
        found = await self._database.call("rules_in_force", {"p_known": self._version}, scope=SYSTEM)
        if found is not None:
            self._take(found)

    async def run(self) -> None:
        """Keeps them fresh until cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(self._every_s)
            looks += 1
            if looks % _WHOLE_EVERY == 0:
                self._version = None
            try:
                await self.load()
            except DomainError as error:
                log.warning("normalising rules not read: %s", error.detail)

    def _take(self, found: dict[str, Any]) -> None:
        usable = [rule for row in found["rules"] if (rule := _usable(row))]
        by_id = {rule.id: rule for rule in usable}
        order = {rule.id: place for place, rule in enumerate(usable)}
        self._rules, self._of, self._made = usable, {}, {}
        for charger_id, ids in found["chargers"].items():
            known = sorted((number for number in ids if number in by_id), key=order.__getitem__)
            self._give(charger_id, [by_id[number] for number in known])
        self._version = found["version"]

    def _give(self, charger_id: str, rules: list[Rule]) -> None:
        if not rules:
            self._of.pop(charger_id, None)
            return
        name = tuple(rule.id for rule in rules)
        if name not in self._made:
            self._made[name] = Treatment(rules)
        self._of[charger_id] = self._made[name]


def _usable(row: dict[str, Any]) -> Rule | None:
    """A rule; None for one that this version of the platform cannot follow."""
    rule = Rule(
        row["id"], row["vendor_pattern"], row["model_pattern"], row["firmware_pattern"], row["treatment"],
        row["parameters"],
    )  # fmt: skip
    try:
        Treatment([rule])
    except DomainError as error:
        log.warning("normalising rule %s is passed over: %s", rule.id, error.detail)
        return None
    return rule
