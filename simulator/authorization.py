"""Who may charge here: the platform's word, or what the charger knows when it may not or need not ask."""

from __future__ import annotations

from collections.abc import Callable

from ocpp.v16 import call

from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.presence import Presence
from simulator.quirks import Quirks
from simulator.tags import LocalList, TagInfo


class Authorizer:
    """The reader of one charger: local list, authorisation cache, and the platform (1.6 §3.5).

    The list goes before the cache. With `LocalPreAuthorize` a tag known as good is not asked about.
    """

    def __init__(
        self, configuration: Configuration, presence: Presence, clock: Clock, quirks: Callable[[], Quirks]
    ) -> None:
        self._configuration, self._presence = configuration, presence
        self._clock, self._quirks = clock, quirks
        self.local_list = LocalList()
        self._cache: dict[str, TagInfo] = {}
        self._parents: dict[str, str | None] = {}

    async def ask(self, id_token: str) -> str:
        """Authorise a tag; returns "Accepted", "Invalid", "Blocked", "Expired" or "ConcurrentTx"."""
        if self._configuration.flag("LocalPreAuthorize") and self._known(id_token) == "Accepted":
            return "Accepted"
        tag = id_token.lower() if self._quirks().lower_case_tags else id_token
        answer = await self._presence.ask(call.Authorize(id_tag=tag))
        if answer is None:
            return self._offline(id_token)
        info = TagInfo.read(answer.id_tag_info)
        self.learn(id_token, info)
        return info.status

    def learn(self, id_token: str, info: TagInfo) -> None:
        """Keep what the platform said of a tag."""
        self._parents[id_token.casefold()] = info.parent
        if self._configuration.flag("AuthorizationCacheEnabled"):
            self._cache[id_token.casefold()] = info

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def parent(self, id_token: str) -> str | None:
        """The group a tag belongs to, as last heard."""
        listed = self.local_list.find(id_token)
        return listed.parent if listed and listed.parent else self._parents.get(id_token.casefold())

    def _known(self, id_token: str) -> str | None:
        configuration = self._configuration
        listed = self.local_list.find(id_token) if configuration.flag("LocalAuthListEnabled") else None
        cached = self._cache.get(id_token.casefold()) if configuration.flag("AuthorizationCacheEnabled") else None
        info = listed or cached
        return info.at(self._clock.now()) if info else None

    def _offline(self, id_token: str) -> str:
        if self._configuration.flag("LocalAuthorizeOffline") and (known := self._known(id_token)):
            return known
        return "Accepted" if self._configuration.flag("AllowOfflineTxForUnknownId") else "Invalid"
