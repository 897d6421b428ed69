"""The phases of a run: each drives one server from a fresh start and returns figures by name."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
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
    """The same remote starts twice in one run: in quiet, and while all other chargers connect at once. Those have
    processors of their own in the field: here they take what the API and the database leave."""
    async with (
        _under_load(target, cores, plan, plan.compression, with_api=True) as (running, agent),
        Agent.started(cores, yields=True) as crowd,
    ):
        await crowd.order("fleet", url=running.url, compression=True)
        quiet, stormy, storm, problems = await calm_and_storm(running, agent, crowd, plan, plan.storm)
    quiet_ms, stormy_ms = quiet["on_wire"]["p99_ms"], stormy["on_wire"]["p99_ms"]
    return {
        "calm_problems": problems,
        "remote_start_p99_ms": quiet_ms,
        "storm_start_p99_ms": stormy_ms,
        "storm_slowdown": stormy_ms / quiet_ms,
        "remote_start_lost": _starts_lost(quiet) + _starts_lost(stormy),
        "calm": {"quiet": quiet, "stormy": stormy, "storm": storm},
    }


async def calm_and_storm(
    running: Running, agent: Agent, crowd: Agent, plan: Plan, count: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]:
    """Remote starts to the agent's chargers in quiet and while `count` of the crowd connect at once: the reports of
    both, that of the storm, and what went wrong."""
    connected = await _connect(agent, plan.crowd, plan.command_chargers, plan.connect_rate)
    await agent.order("sessions", rate=plan.connect_rate, timeout_s=TIMEOUT_S)
    quiet = await _ask_starts(running, agent, plan, plan.calm_s)
    storms: list[asyncio.Task[dict[str, Any]]] = []

    def begins(event: str) -> None:
        if event == "begin":
            storms.append(asyncio.create_task(_connect(crowd, 0, count, 0)))

    stormy = await _ask_starts(running, agent, plan, plan.calm_s, on_event=begins)
    storm = await storms[0]
    await crowd.order("close", timeout_s=5.0)
    problems = _problems(running, connected["errors"], storm["errors"], quiet["errors"], stormy["errors"])
    return quiet, stormy, storm, problems


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
        quiet, stormy, storm, problems = await calm_and_storm(running, agent, crowd, plan, count)
        await agent.order("close", timeout_s=5.0)
    return {
        "tls_problems": problems,
        "plain_connection_ms": costs["plain"],
        **{f"tls_{kind}_ms": costs[kind] - costs["plain"] for kind in TLS_SUITES},
        "tls_storm_s": storm["seconds"],
        "tls_storm_lost": count - storm["accepted"] + _starts_lost(quiet) + _starts_lost(stormy),
        "tls_storm_start_p99_ms": stormy["on_wire"]["p99_ms"],
        "tls_storm_slowdown": stormy["on_wire"]["p99_ms"] / quiet["on_wire"]["p99_ms"],
        "tls": {"costs_ms": costs, "quiet": quiet, "stormy": stormy, "storm": storm},
    }
