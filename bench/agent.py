"""Our end of the load generator's pipe."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from bench.measure import Cores, pin
from bench.servers import ROOT


class LoadFailed(Exception):
    """The load generator could not carry out an order; the text says why."""


def _live_on_leftovers(pid: int, cores: Cores) -> None:
    if hasattr(os, "sched_setscheduler"):  # a low priority (nice) would still be served first now and then
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    pin([pid], cores.server | cores.rest)


class Agent:
    """Gives orders to a load generator process and waits for its answers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Process id of the load generator."""
        return self._process.pid

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, cores: Cores, *, yields: bool = False) -> AsyncIterator[Self]:
        """A load generator on the cores that are not the server's; ended on the way out. `yields`: on any core, as
        long as nobody else wants it."""
        with cores.starting_on(cores.rest):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bench.load",
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        if yields:
            _live_on_leftovers(process.pid, cores)
        try:
            yield cls(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def order(
        self,
        name: str,
        on_event: Callable[[str], None] | None = None,
        within_s: float = 120.0,
        **details: Any,
    ) -> dict[str, Any]:
        """Give one order; its answer. Raises `LoadFailed`, also when no answer comes in time."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write((json.dumps({"order": name, **details}) + "\n").encode())
        try:
            async with asyncio.timeout(within_s):
                while True:
                    answer = await self._answer(self._process.stdout)
                    if "event" not in answer:
                        return answer
                    if on_event is not None:
                        on_event(answer["event"])
        except TimeoutError:
            raise LoadFailed(f"no answer to '{name}' within {within_s:g} s") from None

    async def _answer(self, lines: asyncio.StreamReader) -> dict[str, Any]:
        line = await lines.readline()
        if not line:
            raise LoadFailed("the load generator ended")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise LoadFailed(f"{answer['failed']}: {answer['why']}")
        return answer
