"""What processes cost: CPU time and memory from the kernel's books, and who may run on which core."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter

import psutil


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server that is measured, the others for everything else. Empty: nothing is pinned."""

    server: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The last core for the server. A machine with one core, or without affinities, pins nothing."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(frozenset(), frozenset())
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) == 1:
            return cls(frozenset(), frozenset())
        return cls(frozenset(allowed[-1:]), frozenset(allowed[:-1]))

    @contextlib.contextmanager
    def starting_on(self, cores: frozenset[int]) -> Iterator[None]:
        """A child process started inside begins, with all its threads, on these cores."""
        pin([os.getpid()], cores)
        try:
            yield
        finally:
            pin([os.getpid()], self.rest)


def pin(pids: Iterable[int], cores: frozenset[int]) -> None:
    """Bind every thread of these processes to `cores`; processes that ended meanwhile are passed over."""
    if not cores:
        return
    for pid in pids:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            for thread in psutil.Process(pid).threads():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, cores)


def family(process: psutil.Process | None) -> list[psutil.Process]:
    """A process and what descends from it, the database's processes excepted. Empty when it is gone."""
    if process is None:
        return []
    with contextlib.suppress(psutil.Error):
        relatives = [process, *process.children(recursive=True)]
        return [one for one in relatives if one == process or _name(one) != "postgres"]
    return []


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User + system time of the processes."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def postgres_cpu_seconds(postmaster: psutil.Process | None) -> float:
    """User + system time of all server processes of one cluster, the ended ones included."""
    if postmaster is None:
        return 0.0
    with contextlib.suppress(psutil.Error):
        ended = postmaster.cpu_times()
        alive = cpu_seconds([postmaster, *postmaster.children(recursive=True)])
        return float(alive + ended.children_user + ended.children_system)
    return 0.0


def machine_busy_seconds() -> float:
    """CPU time all cores spent on anything since the machine started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def rss_bytes(processes: Iterable[psutil.Process]) -> int:
    """Resident memory of the processes."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def settled_rss_bytes(processes: list[psutil.Process], still_s: float, at_most_s: float) -> int:
    """Resident memory once it has not moved by over 0.5 % for `still_s`, or after `at_most_s`. Blocks."""
    reference, since, until = rss_bytes(processes), perf_counter(), perf_counter() + at_most_s
    while perf_counter() < until and perf_counter() - since < still_s:
        time.sleep(0.25)
        if abs((now := rss_bytes(processes)) - reference) > 0.005 * reference:
            reference, since = now, perf_counter()
    return rss_bytes(processes)


@dataclass(slots=True)
class Meter:
    """Reads several CPU clocks at once; `since()` gives what each advanced by."""

    clocks: dict[str, Callable[[], float]]
    _before: dict[str, float] | None = None

    def start(self) -> None:
        """Note where the clocks stand."""
        self._before = {name: read() for name, read in self.clocks.items()}

    def since(self) -> dict[str, float]:
        """Seconds each clock advanced by since `start`."""
        if self._before is None:
            raise ValueError("the meter was not started")
        return {name: read() - self._before[name] for name, read in self.clocks.items()}


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(process.name())
    return ""
