"""Counts requests with the library `limits`: in memory, or in a Redis that several API processes share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from redis.exceptions import RedisError

from backend.domain.rates import Counter

_log = logging.getLogger("uniev.api")
_PREFIX: Final = "uniev"
_TIMEOUT_S: Final = 0.25
_REST_S: Final = 10.0
_SWEEP_S: Final = 5.0


def open_counter(redis_url: str | None) -> Counter:
    """In the Redis that is named; without one in this process's memory."""
    memory = LimitsCounter(SweptMemory())
    return SharedCounter(redis_url, memory) if redis_url else memory


class LimitsCounter:
    """Counts in a storage of `limits`."""

    def __init__(self, storage: MemoryStorage | RedisStorage) -> None:
        self._storage = storage

    async def add(self, name: str, period_s: int) -> int:
        """One more under `name`. Raises what the storage raises."""
        item = RateLimitItemPerSecond(1, period_s, namespace=_PREFIX)
        return await self._storage.incr(item.key_for(name), period_s)


class SharedCounter:
    """Counts in Redis. While that does not answer, in memory: a rate that cannot be shared still bounds."""

    def __init__(self, redis_url: str, memory: LimitsCounter, monotonic: Callable[[], float] = time.monotonic) -> None:
        options = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
        storage = RedisStorage(f"async+{redis_url}", implementation="redispy", **options)  # type: ignore[arg-type]
        self._shared = LimitsCounter(storage)
        self._memory = memory
        self._monotonic = monotonic
        self._rests_until = 0.0

    async def add(self, name: str, period_s: int) -> int:
        """One more under `name`. Never fails."""
        if self._monotonic() >= self._rests_until:
            try:
                return await self._shared.add(name, period_s)
            except (RedisError, OSError, TimeoutError) as error:
                self._rests_until = self._monotonic() + _REST_S
                _log.warning("REDIS_URL does not answer, rates are counted in memory: %r", error)
        return await self._memory.add(name, period_s)


class SweptMemory(MemoryStorage):
    """As the library's, which looks through all names after each request; here every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._swept_at = 0.0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """One more under `key`, in one step of the event loop."""
        now = time.time()
        if now - self._swept_at > _SWEEP_S:
            self._swept_at = now
            for ended in [name for name, until in self.expirations.items() if until <= now]:
                del self.expirations[ended]
                del self.storage[ended]
        self.expirations.setdefault(key, now + expiry)
        self.storage[key] += amount
        return self.storage[key]
