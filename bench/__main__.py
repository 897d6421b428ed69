"""`python -m bench`: both servers under the same load in one run, a table per scale, JSON beside it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import platform as machine
import resource
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import phases, report
from bench.agent import LoadFailed
from bench.measure import Cores, pin
from bench.phases import Figures, Plan, Target, WallsPlan
from bench.rows import KEYS, ROWS, Result, results
from bench.servers import Baseline, DidNotStart, Platform

SAVED = Path(__file__).resolve().parent / "results" / "latest.json"
QUICK = {
    "chargers": 200,
    "seconds": 10.0,
    "warm_s": 2.0,
    "command_chargers": 50,
    "command_s": 4.0,
    "settle_s": 1.0,
    "storm": 300,
    "few": 50,
    "calm_s": 4.0,
    "storms": 1,
    "tls_each": 10,
}
PLANS = {"town": Plan(), "nation": phases.NATION}
QUICK_WALLS = WallsPlan(cpos=4, sessions=2000, nation_pages=10, pairs=40)
SCALES = (*PLANS, "walls")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scale", default=",".join(SCALES), help="which tables, of %(default)s")
    parser.add_argument("--chargers", type=int, help="chargers that meter (default 2000, 5000)")
    parser.add_argument("--seconds", type=float, help=f"measured seconds of metering (default {Plan().seconds:g})")
    parser.add_argument("--rows", default=",".join(KEYS), help="which rows, of %(default)s")
    parser.add_argument("--only", choices=("platform", "baseline"), help="measure one of the two servers")
    parser.add_argument("--compression", action="store_true", help="offer compression while metering too")
    parser.add_argument("--quick", action="store_true", help="a short run with few chargers: does it work?")
    parser.add_argument("--profile", action="store_true", help="where the OCPP server's time goes (cProfile)")
    parser.add_argument("--save", type=Path, default=SAVED, help="where the JSON goes")
    options = parser.parse_args(arguments)
    for name, known in (("rows", KEYS), ("scale", SCALES)):
        wanted = tuple(key.strip() for key in getattr(options, name).split(","))
        setattr(options, name, wanted)
        if unknown := set(wanted) - set(known):
            parser.error(f"no such {name}: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def _plan(scale: str, options: argparse.Namespace) -> Plan:
    changes: dict[str, Any] = dict(QUICK) if options.quick else {}
    given = {"chargers": options.chargers, "storm": options.chargers, "seconds": options.seconds}
    changes |= {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(PLANS[scale], compression=options.compression, **changes)


async def _measure(target: Target, cores: Cores, plan: Plan, rows: set[str]) -> Figures:
    """All figures of one server that the rows ask for."""
    figures: Figures = {}
    ours = isinstance(target, Platform)
    wanted = [
        (phases.metering, bool({"cpu", "flat"} & rows)),
        (phases.growth, "flat" in rows and ours),
        (phases.idle_and_storm, bool({"memory", "storm"} & rows)),
        (phases.commands, "command" in rows and ours),
        (phases.calm, "calm" in rows and ours),
        (phases.tls, "tls" in rows and ours),
    ]
    for phase, asked in wanted:
        if asked:
            began = perf_counter()
            print(f"{target.name}: {phase.__name__.replace('_', ' ')} …", file=sys.stderr, flush=True)
            figures |= await phase(target, cores, plan)
            print(f"{target.name}: done in {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    if few_us := figures.get("few_us_per_message"):
        figures["cost_growth"] = figures["cost_us_per_message"] / few_us
    return figures


async def _run(options: argparse.Namespace) -> int:
    cores = Cores.of_this_machine()
    pin([os.getpid()], cores.rest)
    kept: dict[str, Any] = {}
    failed = False
    for scale in options.scale:
        began = perf_counter()
        plan: Plan | WallsPlan
        if scale == "walls":
            plan = QUICK_WALLS if options.quick else WallsPlan()
            figures = {} if options.only == "baseline" else await _walls(plan, cores)
        else:
            plan = _plan(scale, options)
            figures = await _figures(options, scale, plan, cores)
        found = results(scale, options.rows, figures.get("platform"), figures.get("baseline"))
        _print(scale, found, figures, cores, plan, perf_counter() - began)
        kept[scale] = {"settings": _settings(plan, cores), "rows": report.rows(found), **figures}
        failed = failed or report.failed(found)
    report.save(options.save, kept)
    return 1 if failed else 0


async def _figures(options: argparse.Namespace, scale: str, plan: Plan, cores: Cores) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    rows = set(options.rows) & {row.key for row in ROWS[scale]}
    with tempfile.TemporaryDirectory(prefix="uniev-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if options.only != "platform":
            figures["baseline"] = await _measure(Baseline(cores, directory), cores, plan, rows)
        if options.only != "baseline":
            figures["platform"] = await _measure_platform(options, plan, cores, directory, rows)
    return figures


async def _walls(plan: WallsPlan, cores: Cores) -> dict[str, Figures]:
    """The session list over many CPOs; the baseline has none."""
    from bench import walls

    print("platform: the session list behind its walls …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="uniev-bench-", ignore_cleanup_errors=True) as name:
        return {"platform": await walls.measure(plan, cores, Path(name))}


async def _measure_platform(
    options: argparse.Namespace, plan: Plan, cores: Cores, directory: Path, rows: set[str]
) -> Figures:
    # Imported here: the baseline alone needs neither the platform's packages nor its database.
    from bench.registry import Registry

    profile = directory / "profile" if options.profile else None
    async with Registry.filled(directory / "data", plan.identities) as registry:
        target = Platform(cores, directory, registry, profile)
        figures = await _measure(target, cores, plan, rows)
    if profile is not None:
        report.print_profile(profile)
    return figures


def _settings(plan: Plan | WallsPlan, cores: Cores) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": machine.python_version(),
        "machine": machine.platform(),
        "cores": {"server": sorted(cores.server), "rest": sorted(cores.rest)},
        **dataclasses.asdict(plan),
    }


def _print(
    scale: str, found: list[tuple[Result, str]], figures: dict[str, Figures], cores: Cores, plan: Plan | WallsPlan,
    seconds: float,
) -> None:  # fmt: skip
    pinned = "server on a core of its own" if cores.server else "nothing pinned: this machine has one core"
    if isinstance(plan, WallsPlan):
        size = f"{plan.sessions} sessions of {plan.cpos} CPOs"
    else:
        size = f"{plan.chargers} chargers, {plan.seconds:g} s measured"
    print(f"\n{scale}: {size}, {pinned}; the run took {seconds:.0f} s\n")
    print(report.table(found))
    for name, one in figures.items():
        for line in report.notes(name, one):
            print(f"\n{line}")


def _allow_sockets() -> None:
    """As many open files as the system allows; the servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _until_signalled(options: argparse.Namespace) -> int:
    """Ctrl-C and SIGTERM cancel the run: everything it started is stopped on the way out."""
    run = asyncio.ensure_future(_run(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, run.cancel)
    try:
        return await run
    except asyncio.CancelledError:
        print("stopped", file=sys.stderr)
        return 130


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, 1 when a must does not hold, 2 when something did not start, 130 when interrupted."""
    options = _options(arguments)
    _allow_sockets()
    try:
        return asyncio.run(_until_signalled(options))
    except (DidNotStart, LoadFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
