"""`python -m bench`: both servers under the same load in one run, one table, JSON beside it."""

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
from bench.phases import Figures, Plan, Target
from bench.rows import KEYS, Result, results
from bench.servers import Baseline, DidNotStart, Platform

SAVED = Path(__file__).resolve().parent / "results" / "latest.json"
QUICK = {
    "chargers": 200,
    "seconds": 10.0,
    "warm_s": 2.0,
    "command_chargers": 50,
    "command_s": 4.0,
    "settle_s": 1.0,
}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--chargers", type=int, help=f"chargers that meter (default {plan.chargers})")
    parser.add_argument("--seconds", type=float, help=f"measured seconds of metering (default {plan.seconds:g})")
    parser.add_argument("--rows", default=",".join(KEYS), help="which rows, of %(default)s")
    parser.add_argument("--only", choices=("platform", "baseline"), help="measure one of the two servers")
    parser.add_argument("--compression", action="store_true", help="offer compression while metering too")
    parser.add_argument("--quick", action="store_true", help="a short run with few chargers: does it work?")
    parser.add_argument("--profile", action="store_true", help="where the OCPP server's time goes (cProfile)")
    parser.add_argument("--save", type=Path, default=SAVED, help="where the JSON goes")
    options = parser.parse_args(arguments)
    options.rows = tuple(key.strip() for key in options.rows.split(","))
    if unknown := set(options.rows) - set(KEYS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(KEYS)}")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    changes: dict[str, Any] = dict(QUICK) if options.quick else {}
    given = {"chargers": options.chargers, "seconds": options.seconds}
    changes |= {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(Plan(), compression=options.compression, **changes)


async def _measure(target: Target, cores: Cores, plan: Plan, rows: tuple[str, ...]) -> Figures:
    """All figures of one server that the rows ask for."""
    figures: Figures = {}
    wanted = [
        (phases.metering, "cpu" in rows),
        (phases.idle_and_storm, bool({"memory", "storm"} & set(rows))),
        (phases.commands, "command" in rows and isinstance(target, Platform)),
    ]
    for phase, asked in wanted:
        if asked:
            began = perf_counter()
            print(f"{target.name}: {phase.__name__.replace('_', ' ')} …", file=sys.stderr, flush=True)
            figures |= await phase(target, cores, plan)
            print(f"{target.name}: done in {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


async def _run(options: argparse.Namespace) -> int:
    plan, cores = _plan(options), Cores.of_this_machine()
    pin([os.getpid()], cores.rest)
    began = perf_counter()
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="uniev-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if options.only != "platform":
            figures["baseline"] = await _measure(Baseline(cores, directory), cores, plan, options.rows)
        if options.only != "baseline":
            figures["platform"] = await _measure_platform(options, plan, cores, directory)
    found = results(options.rows, figures.get("platform"), figures.get("baseline"))
    _print(found, figures, cores, plan, perf_counter() - began)
    report.save(options.save, _settings(plan, cores), figures, found)
    return 1 if report.failed(found) else 0


async def _measure_platform(options: argparse.Namespace, plan: Plan, cores: Cores, directory: Path) -> Figures:
    # Imported here: the baseline alone needs neither the platform's packages nor its database.
    from bench.registry import Registry

    profile = directory / "profile" if options.profile else None
    async with Registry.filled(directory / "data", plan.identities) as registry:
        target = Platform(cores, directory, registry, profile)
        figures = await _measure(target, cores, plan, options.rows)
    if profile is not None:
        report.print_profile(profile)
    return figures


def _settings(plan: Plan, cores: Cores) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": machine.python_version(),
        "machine": machine.platform(),
        "cores": {"server": sorted(cores.server), "rest": sorted(cores.rest)},
        **dataclasses.asdict(plan),
    }


def _print(
    found: list[tuple[Result, str]], figures: dict[str, Figures], cores: Cores, plan: Plan, seconds: float
) -> None:
    pinned = "server on a core of its own" if cores.server else "nothing pinned: this machine has one core"
    print(f"\n{plan.chargers} chargers, {plan.seconds:g} s measured, {pinned}; the run took {seconds:.0f} s\n")
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
