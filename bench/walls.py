"""What the walls cost: the session list over a million sessions of fifty CPOs, page by page in both orders, and the
part of its latency that authorization takes (row policies, stepping down to the caller, the check of the token)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from backend.database import SYSTEM, Condition, Database, DirectDatabase, Scope
from backend.services.directory import Directory, build_directory
from backend.services.sessions import Session
from backend.settings import load_settings
from bench.latency import percentile
from bench.measure import Cores, pin
from bench.phases import Figures, WallsPlan
from bench.ports import free_port
from bench.registry import Registry
from bench.servers import HOST, Program
from bench.walls_data import found_walls

LIMIT = 50
_ORDERS = {"newest": "desc", "oldest": "asc"}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Somebody who reads the list: whose, as whom, and how many sessions that are."""

    scope: Scope
    token: str
    sessions: int


async def measure(plan: WallsPlan, cores: Cores, directory: Path) -> Figures:
    """Everything the rows of the scale `walls` ask for. Times in ms."""
    async with Registry.filled(directory / "data", 0) as registry:
        began = perf_counter()
        people = await found_walls(registry.dsn, plan.cpos, plan.sessions)
        print(f"walls: filled in {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        pin((one.pid for one in registry.postmaster().children(recursive=True)), cores.rest)
        settings = load_settings(
            _env_file=None, data_dir=directory / "data", database_url=None, supabase_url=None, supabase_key=None
        )
        database = await DirectDatabase.open(registry.dsn, pool_size=1)
        try:
            services = build_directory(database, settings.secret_key)
            readers = [
                _Reader(scope, services.people.tokens.access(scope, "Bench"), count)
                for scope, count in people[: plan.read_cpos] + people[-1:]
            ]
            async with _api(registry, cores, directory) as url:
                figures = await _pages(url, readers, plan)
            return figures | await _authorization(database, services, readers, plan, figures["list_p50_ms"])
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def _api(registry: Registry, cores: Cores, directory: Path) -> AsyncIterator[str]:
    """The REST API as a process of its own."""
    port = free_port()
    arguments = [sys.executable, "-m", "uvicorn", "backend.main_api:app", "--host", HOST, "--port", str(port)]
    with cores.starting_on(cores.server):
        program = Program("REST API", [*arguments, "--no-access-log"], registry.environment, directory / "api.log")
    try:
        await program.listens(port)
        yield f"http://{HOST}:{port}"
    finally:
        program.stop()


async def _pages(url: str, readers: list[_Reader], plan: WallsPlan) -> Figures:
    """Every page of some CPOs, and pages of the nation from both ends."""
    found: Figures = {"pages_wrong": 0}
    for order in _ORDERS:
        times: list[float] = []
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            for reader in readers:
                most = plan.nation_pages if reader.scope.cpo_id is None else sys.maxsize
                took, seen = await _walk(client, reader, order, most)
                times += took
                wanted = min(reader.sessions, most * LIMIT)
                found["pages_wrong"] += len(seen) != wanted
        times.sort()
        found |= {f"{order}_p50_ms": percentile(times, 0.5), f"{order}_p95_ms": percentile(times, 0.95)}
        found[f"{order}_worst_ms"] = times[-1]
        found[f"{order}_pages"] = len(times)
    found["list_p50_ms"] = median([found["newest_p50_ms"], found["oldest_p50_ms"]])
    return found


async def _walk(client: httpx.AsyncClient, reader: _Reader, order: str, most: int) -> tuple[list[float], set[str]]:
    """How long each page took, and the sessions that were seen."""
    headers = {"Authorization": f"Bearer {reader.token}"}
    times: list[float] = []
    seen: set[str] = set()
    cursor: str | None = None
    while len(times) < most:
        params = {"limit": str(LIMIT), "order": order} | ({"cursor": cursor} if cursor else {})
        began = perf_counter()
        reply = await client.get("/api/sessions", params=params, headers=headers)
        times.append((perf_counter() - began) * 1000)
        page = reply.raise_for_status().json()
        seen.update(session["id"] for session in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return times, seen


async def _authorization(
    database: Database, services: Directory, readers: list[_Reader], plan: WallsPlan, list_ms: float
) -> Figures:
    """The same query as the owner and as the caller, by turns, over all pages; and the check of the token."""
    policies, checks = [], []
    for reader in readers:
        own: list[Condition] = [("cpo_id", "eq", reader.scope.cpo_id)] if reader.scope.cpo_id else []
        after: list[Any] | None = None
        for number in range(plan.pairs // len(readers)):
            scopes = (SYSTEM, reader.scope) if number % 2 else (reader.scope, SYSTEM)
            await _select(database, SYSTEM, own, after)  # whoever comes first would pay for reading the page
            took = {scope: await _select(database, scope, own, after) for scope in scopes}
            (free_ms, rows), (bound_ms, same) = took[SYSTEM], took[reader.scope]
            if [row["id"] for row in rows] != [row["id"] for row in same]:
                raise RuntimeError("the row policies hide rows that the caller may see")
            policies.append(bound_ms - free_ms)
            after = [rows[-1]["started_at"], rows[-1]["id"]] if len(rows) == LIMIT else None
            began = perf_counter()
            await services.people.standing.check(services.people.tokens.read(reader.token, None))
            checks.append((perf_counter() - began) * 1000)
    policy_ms, check_ms = median(policies), median(checks)
    return {
        "policy_ms": policy_ms,
        "token_ms": check_ms,
        "authorization_share": (policy_ms + check_ms) / list_ms,
    }


async def _select(
    database: Database, scope: Scope, own: list[Condition], after: list[Any] | None
) -> tuple[float, list[dict[str, Any]]]:
    order = [("started_at", "desc"), ("id", "desc")]
    began = perf_counter()
    rows = await database.select(
        "session_details", scope=scope, columns=Session.columns(), where=own, order=order, after=after, limit=LIMIT
    )
    return (perf_counter() - began) * 1000, rows
