"""Waiting for something that another process or task will make true, never for a guessed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_Found = TypeVar("_Found")


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Looks again every 10 ms. Raises AssertionError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for: {what}"
        time.sleep(0.01)


async def eventually(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """The same without blocking the event loop."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for: {what}"
        await asyncio.sleep(0.01)


async def eventually_found(look: Callable[[], Awaitable[_Found]], what: str, timeout_s: float = 20.0) -> _Found:
    """Looks with `look` again and again until what it returns is true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while not (found := await look()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for: {what}"
        await asyncio.sleep(0.01)
    return found
