"""`python -m drills`: each drill on a fresh platform, a line for each thing that must hold, and a report."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import uvloop

from bench.agent import LoadFailed
from bench.servers import DidNotStart
from drills import database, disk, kill, network, offenders
from drills.checks import Check, Drill, NotPossible, Stage
from drills.platform import TookTooLong
from drills.report import Outcome, save, table

DRILLS: dict[str, Drill] = {
    one.name: one for one in (kill.DRILL, database.DRILL, network.DRILL, offenders.DRILL, disk.DRILL)
}
RESULTS = Path(__file__).resolve().parent / "results"
LONGEST_S = {"full": 1800.0, "short": 180.0}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("--only", default=",".join(DRILLS), help="which drills, of %(default)s")
    parser.add_argument("--short", action="store_true", help="few chargers, some seconds: does it work?")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--report", type=Path, default=RESULTS, help="directory of the JSON and text reports")
    options = parser.parse_args(arguments)
    options.only = tuple(name.strip() for name in options.only.split(","))
    if unknown := set(options.only) - set(DRILLS):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    return options


async def rehearse(drill: Drill, *, short: bool, seed: int) -> Outcome:
    """One drill, bounded in time. What goes wrong on the way is a check that does not hold."""
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="uniev-drill-", ignore_cleanup_errors=True) as folder:
        size = drill.short if short else drill.full
        stage = Stage(drill.name, Path(folder), size, seed)
        try:
            async with asyncio.timeout(LONGEST_S["short" if short else "full"]):
                checks = await drill.run(stage)
        except NotPossible as why:
            return Outcome(drill, [], stage.figures, perf_counter() - began, impossible=str(why))
        except (DidNotStart, LoadFailed, TookTooLong, TimeoutError) as error:
            checks = [Check("the drill comes to its end", False, f"{type(error).__name__}: {error}")]
    return Outcome(drill, checks, stage.figures, perf_counter() - began)


async def _run(options: argparse.Namespace) -> int:
    outcomes = []
    for name in options.only:
        outcomes.append(await rehearse(DRILLS[name], short=options.short, seed=options.seed))
        print(table(outcomes[-1:]), flush=True)
    save(options.report, outcomes, seed=options.seed, short=options.short)
    print(f"\n{sum(one.holds for one in outcomes)} of {len(outcomes)} drills hold; report in {options.report}")
    return 0 if all(one.holds for one in outcomes) else 1


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
    """Returns 0, 1 when something does not hold, 130 when interrupted."""
    options = _options(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return uvloop.run(_until_signalled(options))


if __name__ == "__main__":
    sys.exit(main())
