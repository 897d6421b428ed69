"""The phases of a run: each drives one server from a fresh start and returns figures by name."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

import psutil

from bench.agent import Agent
from bench.measure import (
    Cores,
    Meter,
    cpu_seconds,
    family,
    machine_busy_seconds,
    postgres_cpu_seconds,
    rss_bytes,
    settled_rss_bytes,
)
from bench.servers import Baseline, Platform, Running

METER_S = 10.0
HEARTBEAT_S = 60.0
WARM_CHARGERS = 50
TIMEOUT_S = 60.0
COMMANDS_PER_S = 25.0
TLS_RATE = 50.0  # connections a second while their cost is measured
TLS_SUITES = {"ecdsa": "ECDHE-ECDSA-AES128-GCM-SHA256", "rsa": "ECDHE-RSA-AES128-GCM-SHA256"}

Figures = dict[str, Any]
Target = Baseline | Platform


@dataclass(frozen=True, slots=True)
class Plan:
    """How much load, for how long. `connect_rate` paces connecting and opening sessions outside the storm."""

    chargers: int = 2000
    seconds: float = 60.0
    warm_s: float = 15.0
    command_chargers: int = 500
    command_s: float = 20.0
    settle_s: float = 4.0
    connect_rate: float = 400.0
    compression: bool = False
    storm: int = 2000
    few: int = 500
    calm_s: float = 8.0
    storms: int = 3
    tls_each: int = 500
    tls_storm: int = 1000

    @property
    def crowd(self) -> int:
        """Chargers of the metering and the storm; those of the commands have the numbers that follow."""
        return max(self.chargers, self.storm)

    @property
    def identities(self) -> int:
        """How many chargers must be registered: the two fleets do not share sessions."""
        return self.crowd + self.command_chargers


@dataclass(frozen=True, slots=True)
class WallsPlan:
    """How many sessions of how many CPOs; of how many CPOs every page is read, how many pages of the nation, and how
    often a query is compared with itself without walls."""

    cpos: int = 50
    sessions: int = 1_000_000
    read_cpos: int = 3
    nation_pages: int = 300
    pairs: int = 600


NATION = Plan(chargers=5000, storm=10_000, connect_rate=600.0, calm_s=12.0)  # the storm outlasts the remote starts


@contextlib.asynccontextmanager
async def _under_load(
    target: Target, cores: Cores, plan: Plan, compression: bool, with_api: bool = False
) -> AsyncIterator[tuple[Running, Agent]]:
    async with target.running(with_api=with_api) as running, Agent.started(cores) as agent:
        await agent.order("fleet", url=running.url, compression=compression)
        yield running, agent
        await agent.order("close", timeout_s=5.0)


def _problems(running: Running, *errors: dict[str, int]) -> list[str]:
    """What went wrong, most frequent first, and what the server said about it; empty when nothing did."""
    counted = sum(map(Counter, errors), Counter[str]())
    lines = [f"{running.name}: {count} × {reason}" for reason, count in counted.most_common(10)]
    if lines and (words := running.server.last_words()):
        lines.append(f"{running.server.name} logged last:\n{words}")
    return lines


async def _connect(agent: Agent, first: int, count: int, rate: float) -> dict[str, Any]:
    return await agent.order(
        "connect",
        first=first,
        count=count,
        rate=rate,
        timeout_s=TIMEOUT_S,
        within_s=2 * TIMEOUT_S + count / 100,
    )


async def metering(target: Target, cores: Cores, plan: Plan) -> Figures:
    """Every charger in a session, MeterValues every 10 s, Heartbeat every 60 s: what a MeterValues costs."""
    async with _under_load(target, cores, plan, plan.compression) as (running, agent):
        connected = await _connect(agent, 0, plan.chargers, plan.connect_rate)
        opened = await agent.order("sessions", rate=plan.connect_rate, timeout_s=TIMEOUT_S)
        spent, report = await _measured(running, agent, plan)
        problems = _problems(running, connected["errors"], opened["errors"], report["errors"])
    readings = report["answered_in_window"].get("MeterValues", 0)
    all_calls = sum(report["answered_in_window"].values())
    lost = plan.chargers - opened["opened"] + report["unanswered"] + sum(report["errors"].values())
    figures: Figures = {
        "calls_lost": lost,
        "metering_problems": problems,
        "answered_per_s": all_calls / report["seconds"],
        "metering": report | {"connect": connected, "sessions": opened, "cpu_s": spent},
        **{name: report["answers"].get("MeterValues", {}).get(name) for name in ("p50_ms", "p99_ms", "p999_ms")},
        "foreign_cpu": spent["foreign"] / report["seconds"],
        "lateness_p99_ms": report["load_lateness"]["p99_ms"],
    }
    if readings:
        figures |= {
            "cpu_us_per_reading": spent["server"] / readings * 1e6,
            "cpu_us_per_message": spent["server"] / all_calls * 1e6,
            "cost_us_per_message": (spent["server"] + spent["postgres"]) / all_calls * 1e6,
        }
    if readings and running.postmaster is not None:
        figures["postgres_us_per_reading"] = spent["postgres"] / readings * 1e6
    return figures


async def _measured(running: Running, agent: Agent, plan: Plan) -> tuple[dict[str, float], dict[str, Any]]:
    """CPU seconds by process kind over the window, and the load generator's report of the same window."""
    meter = Meter(
        {
            "server": lambda: cpu_seconds(running.processes),
            "postgres": partial(postgres_cpu_seconds, running.postmaster),
            "load": lambda: cpu_seconds(family(psutil.Process(agent.pid))),
            "self": lambda: cpu_seconds([psutil.Process(os.getpid())]),
            "machine": machine_busy_seconds,
        }
    )
    spent: dict[str, float] = {}

    def edge(event: str) -> None:
        running.edge(event)
        if event == "begin":
            meter.start()
        else:
            spent.update(meter.since())

    report = await agent.order(
        "meter",
        on_event=edge,
        within_s=plan.warm_s + plan.seconds + TIMEOUT_S,
        warm_s=plan.warm_s,
        seconds=plan.seconds,
        meter_s=METER_S,
        heartbeat_s=HEARTBEAT_S,
    )
    ours = sum(spent[name] for name in ("server", "postgres", "load", "self"))
    return spent | {"foreign": max(0.0, spent["machine"] - ours)}, report


async def idle_and_storm(target: Target, cores: Cores, plan: Plan) -> Figures:
    """Memory of idle, booted connections that offer compression; then all of them away and back at once."""
    async with _under_load(target, cores, plan, compression=True) as (running, agent):
        await _connect(agent, plan.crowd, min(WARM_CHARGERS, plan.command_chargers), plan.connect_rate)
        await agent.order("sessions", rate=plan.connect_rate, timeout_s=TIMEOUT_S)
        await agent.order("close", timeout_s=5.0)
        before = await _settled(running, plan)
        half = plan.chargers // 2
        first = await _connect(agent, 0, half, plan.connect_rate)
        halfway = await _settled(running, plan)
        rest = await _connect(agent, half, plan.chargers - half, plan.connect_rate)
        idle = await _settled(running, plan)
        await agent.order("close", timeout_s=10.0)
        closed = await _settled(running, plan)
        storm = await _connect(agent, 0, plan.storm, 0)
        return {
            "idle_problems": _problems(running, first["errors"], rest["errors"], storm["errors"]),
            # Memory that starting up left free hides part of what the first connections cost.
            "memory_kib": max(
                _kib_each(before, idle, first["accepted"] + rest["accepted"]),
                _kib_each(halfway, idle, rest["accepted"]),
            ),
            "memory_missing": plan.chargers - first["accepted"] - rest["accepted"],
            "compressed": rest["compressed"] / max(1, rest["accepted"]),
            "storm_s": storm["seconds"],
            "storm_refused": plan.storm - storm["accepted"],
            "storm_put_off": storm["put_off"],
            "idle": {
                "rss_before": before,
                "rss_half_connected": halfway,
                "rss_idle": idle,
                "rss_after_close": closed,
                "rss_after_storm": rss_bytes(running.processes),
                "first_half": first,
                "second_half": rest,
                "storm": storm,
            },
        }


def _kib_each(before: int, after: int, connections: int) -> float:
    return (after - before) / 1024 / max(1, connections)


async def _settled(running: Running, plan: Plan) -> int:
    return await asyncio.to_thread(settled_rss_bytes, running.processes, plan.settle_s, 4 * plan.settle_s)


async def growth(target: Target, cores: Cores, plan: Plan) -> Figures:
    """The metering of a few chargers, for what a message costs there. Runs after `metering`."""
    few = await metering(target, cores, replace(plan, chargers=plan.few))
    return {"few_us_per_message": few.get("cost_us_per_message"), "few": few, "few_problems": few["metering_problems"]}


async def _ask_starts(running: Running, agent: Agent, plan: Plan, seconds: float, **options: Any) -> dict[str, Any]:
    return await agent.order(
        "commands",
        within_s=seconds + 2 * TIMEOUT_S,
        api_url=running.api_url,
        token=running.token,
        rate=COMMANDS_PER_S,
        warm_s=min(5.0, plan.warm_s),
        seconds=seconds,
        meter_s=METER_S,
        heartbeat_s=HEARTBEAT_S,
        **options,
    )


def _starts_lost(report: dict[str, Any]) -> int:
    return int(report["requests"] - report["on_wire"]["count"] + sum(report["errors"].values()))


async def commands(target: Target, cores: Cores, plan: Plan) -> Figures:
    """Remote starts through the API while a fleet meters: from request to frame on the charger's wire."""
    async with _under_load(target, cores, plan, plan.compression, with_api=True) as (running, agent):
        connected = await _connect(agent, plan.crowd, plan.command_chargers, plan.connect_rate)
        opened = await agent.order("sessions", rate=plan.connect_rate, timeout_s=TIMEOUT_S)
        report = await _ask_starts(running, agent, plan, plan.command_s)
        metering_errors = report["metering"]["errors"]
        problems = _problems(running, connected["errors"], opened["errors"], report["errors"], metering_errors)
    on_wire = report["on_wire"]
    return {
        "command_problems": problems,
        "remote_start_p50_ms": on_wire["p50_ms"],
        "remote_start_p99_ms": on_wire["p99_ms"],
        "remote_start_lost": _starts_lost(report),
        "commands": report | {"sessions": opened},
    }


async def calm(target: Target, cores: Cores, plan: Plan) -> Figures:
    """The same remote starts in quiet, and while all other chargers connect at once. Those have processors of their own
    in the field: here they take what those who are measured leave of any core."""
    async with (
        _under_load(target, cores, plan, plan.compression, with_api=True) as (running, agent),
        Agent.started(cores, yields=True) as crowd,
    ):
        await crowd.order("fleet", url=running.url, compression=True)
        weather = await _calm_and_storms(running, agent, crowd, plan, plan.storm)
    quiet_ms, stormy_ms, slowdown = weather.slowdown()
    return {
        "calm_problems": weather.problems,
        "remote_start_p99_ms": quiet_ms,
        "storm_start_p99_ms": stormy_ms,
        "storm_slowdown": slowdown,
        "calm_lost": weather.lost(plan.storm),
        "calm": weather.report(),
    }


@dataclass(slots=True)
class Weather:
    """Remote starts in quiet and in a storm, turn about, and those storms: the load generator's reports."""

    quiet: list[dict[str, Any]] = field(default_factory=list)
    stormy: list[dict[str, Any]] = field(default_factory=list)
    storm: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def slowdown(self) -> tuple[float, float, float]:
        """The p99 (ms) in quiet and in storms, and how many times as long a storm takes as the quiet before it. The
        median of the turns, since something else on the machine may disturb one of them."""
        pairs = [(q["on_wire"]["p99_ms"], s["on_wire"]["p99_ms"]) for q, s in zip(self.quiet, self.stormy, strict=True)]
        return median(q for q, _ in pairs), median(s for _, s in pairs), median(s / q for q, s in pairs)

    def lost(self, count: int) -> int:
        """Remote starts, and of the `count` chargers of each storm those who did not get in: in all turns."""
        starts = sum(map(_starts_lost, [*self.quiet, *self.stormy]))
        return starts + sum(count - int(storm["accepted"]) for storm in self.storm)

    def report(self) -> dict[str, Any]:
        """As it is saved."""
        return {"quiet": self.quiet, "stormy": self.stormy, "storm": self.storm}


async def _calm_and_storms(running: Running, agent: Agent, crowd: Agent, plan: Plan, count: int) -> Weather:
    """Remote starts to the agent's chargers in quiet and while `count` of the crowd connect at once, `plan.storms`
    times."""
    weather = Weather()
    connected = await _connect(agent, plan.crowd, plan.command_chargers, plan.connect_rate)
    await agent.order("sessions", rate=plan.connect_rate, timeout_s=TIMEOUT_S)
    for turn in range(plan.storms):
        if turn:
            await asyncio.sleep(plan.settle_s)
        storms: list[asyncio.Task[dict[str, Any]]] = []

        def begins(event: str, storms: list[asyncio.Task[dict[str, Any]]] = storms) -> None:
            if event == "begin":
                storms.append(asyncio.create_task(_connect(crowd, 0, count, 0)))

        weather.quiet.append(await _ask_starts(running, agent, plan, plan.calm_s))
        weather.stormy.append(await _ask_starts(running, agent, plan, plan.calm_s, on_event=begins))
        weather.storm.append(await storms[0])
        await crowd.order("close", timeout_s=5.0)
    reports = [connected, *weather.quiet, *weather.stormy, *weather.storm]
    weather.problems = _problems(running, *(report["errors"] for report in reports))
    return weather


async def tls(target: Target, cores: Cores, plan: Plan) -> Figures:
    """What TLS adds to a connection and its boot, by the kind of the server's key; then a storm over TLS beside remote
    starts. The baseline has no TLS."""
    assert isinstance(target, Platform)
    costs: dict[str, float] = {}
    async with (
        target.running(with_api=True, with_tls=True) as running,
        Agent.started(cores) as agent,
        Agent.started(cores, yields=True) as crowd,
    ):
        for kind, url, suite in (("warm", running.tls_url, None), ("plain", running.url, None), *(
            (kind, running.tls_url, suite) for kind, suite in TLS_SUITES.items()
        )):  # fmt: skip
            await crowd.order("fleet", url=url, compression=False, suite=suite)
            before = cpu_seconds(running.processes)
            connected = await _connect(crowd, 0, plan.tls_each, TLS_RATE)
            costs[kind] = (cpu_seconds(running.processes) - before) / max(1, connected["accepted"]) * 1e3
            await crowd.order("close", timeout_s=5.0)
        await agent.order("fleet", url=running.url, compression=False)
        await crowd.order("fleet", url=running.tls_url, compression=False)
        count = min(plan.tls_storm, plan.crowd)
        weather = await _calm_and_storms(running, agent, crowd, plan, count)
        await agent.order("close", timeout_s=5.0)
    _, stormy_ms, slowdown = weather.slowdown()
    return {
        "tls_problems": weather.problems,
        "plain_connection_ms": costs["plain"],
        **{f"tls_{kind}_ms": costs[kind] - costs["plain"] for kind in TLS_SUITES},
        "tls_storm_s": median(storm["seconds"] for storm in weather.storm),
        "tls_storm_lost": weather.lost(count),
        "tls_storm_start_p99_ms": stormy_ms,
        "tls_storm_slowdown": slowdown,
        "tls": {"costs_ms": costs, **weather.report()},
    }
