"""`python -m simulator`: a fleet of simulated chargers from the command line.

Progress goes to standard error, the JSON summary to standard output (and to `--summary FILE`). Exit codes:
0 done (also after SIGINT or SIGTERM), 1 nothing could be connected or the API refused, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulator.configuration import KEYS
from simulator.fleet import FLEET_LINK, Fleet, Member, members
from simulator.link import LinkOptions
from simulator.platform_api import ApiRefused, PlatformApi
from simulator.quirks import QUIRKS
from simulator.scenarios import MIXES, SCENARIOS
from simulator.summary import progress

MOST_CHARGERS = 5_000
LONGEST_S = 24 * 3600
DEMO_EMAIL = "emsv@demo.uniev.id"
DEMO_PASSWORD = "uniev-demo-2026"


def parser() -> argparse.ArgumentParser:
    """The command line, with every option described."""
    port = os.environ.get("UNIEV_OCPP_PORT", "9000")
    made = argparse.ArgumentParser(prog="python -m simulator", description="Simulated OCPP 1.6J chargers.")
    add = made.add_argument
    add("--url", default=f"ws://127.0.0.1:{port}", help="OCPP server; the identity is appended (%(default)s)")
    add("--chargers", type=int, help="how many (10; with --from-api or --identities: all)")
    names = sorted({**SCENARIOS, **MIXES})
    add("--scenario", default="normal", choices=names, metavar="NAME", help=", ".join(names))
    add("--quirk", default="none", choices=sorted(QUIRKS), metavar="NAME", help=", ".join(QUIRKS))
    add("--speed", type=float, default=1.0, help="simulated seconds per second, 1 to 600 (%(default)s)")
    add("--duration", type=float, default=60.0, help="real seconds; 0 is endless (%(default)s)")
    add("--once", action="store_true", help="play the scenario once at every plug, then end")
    add("--seed", type=int, default=1, help="same seed, same cars and choices (%(default)s)")
    add("--sample-interval", type=int, help="MeterValueSampleInterval in simulated seconds")
    add("--identities", help="file with one identity a line, or a prefix for numbered ones (SIM-)")
    add("--identity-list", help="identities, comma-separated")
    add("--id-tokens", default="TAG-1", help="tags that drivers use, comma-separated (%(default)s)")
    add("--basic-password", help="Basic password of every charger")
    add("--ca-file", type=Path, help="PEM file with the root that wss:// servers are believed by")
    add("--certificate", type=Path, help="PEM file with the charger's certificate and key (one charger, wss://)")
    add("--set", dest="keys", action="append", default=[], metavar="KEY=VALUE", help="configuration key at the start")
    add("--from-api", metavar="URL", help="drive the chargers registered at this REST API")
    add("--except", dest="but", metavar="PREFIX", help="with --from-api: leave out identities and tags that begin so")
    add("--email", default=DEMO_EMAIL, help="login for --from-api (%(default)s)")
    add("--password", default=DEMO_PASSWORD, help="password for --from-api (that of the demo)")
    add("--state", type=Path, help="file that keeps registers and unfinished sessions over restarts")
    add("--summary", type=Path, help="also write the JSON summary here")
    add("--quiet", action="store_true", help="no progress line, and no summary on standard output")
    add("--allow-remote", action="store_true", help="allow an OCPP server that is not on this machine")
    return made


def check(options: argparse.Namespace) -> str | None:
    """What is wrong with the arguments, in a sentence; None if nothing is."""
    if not _loopback(options.url) and not options.allow_remote:
        return f"{options.url} is not on this machine: add --allow-remote if you mean it"
    if options.chargers is not None and not 1 <= options.chargers <= MOST_CHARGERS:
        return f"--chargers is between 1 and {MOST_CHARGERS}"
    if not 1 <= options.speed <= 600:
        return "--speed is between 1 and 600"
    if not 0 <= options.duration <= LONGEST_S:
        return f"--duration is between 0 (endless) and {LONGEST_S} seconds"
    if wrong := _wrong_keys(options.keys):
        return wrong
    if options.once and options.scenario in MIXES:
        return f"--once needs a single scenario, {options.scenario} is a mix without an end"
    return None


def _wrong_keys(given: list[str]) -> str | None:
    unknown = [row for row in given if "=" not in row or row.split("=")[0] not in KEYS]
    return f"--set {unknown[0]}: KEY=VALUE with a known key, such as ConnectionTimeOut=30" if unknown else None


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _named(options: argparse.Namespace) -> list[Member]:
    """Members by the options that name identities; kinds of chargers in turn."""
    if options.identity_list:
        names = options.identity_list.split(",")
    elif options.identities and Path(options.identities).is_file():
        lines = Path(options.identities).read_text().splitlines()
        names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        names = [row.identity for row in members(options.identities or "SIM-", options.chargers or 10)]
    kinds = members("", len(names))
    made = [Member(name, kind.spec, options.basic_password) for name, kind in zip(names, kinds, strict=True)]
    return made[: options.chargers]


async def _who(options: argparse.Namespace) -> list[Member]:
    if not options.from_api:
        return _named(options)
    api = PlatformApi(options.from_api, options.email, options.password, options.basic_password)
    return await api.read(options.chargers, options.but)


async def _show(fleet: Fleet) -> None:
    terminal = sys.stderr.isatty()
    while True:
        await asyncio.sleep(1 if terminal else 10)
        line = progress(fleet)
        print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)


async def run(options: argparse.Namespace) -> dict[str, Any] | None:
    """Run the fleet; None when a signal came before it began. Raises ApiRefused."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    finding = asyncio.create_task(_who(options))
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait({finding, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not finding.done():
        finding.cancel()
        return None
    fleet = _fleet(options, finding.result())
    waiting.add_done_callback(lambda _task: fleet.stop())
    showing = None if options.quiet else asyncio.create_task(_show(fleet))
    try:
        return await fleet.run()
    finally:
        waiting.cancel()
        if showing:
            showing.cancel()
            print(f"{progress(fleet)}", file=sys.stderr)


def _fleet(options: argparse.Namespace, chargers: list[Member]) -> Fleet:
    return Fleet(
        options.url,
        chargers,
        options.scenario,
        id_tokens=options.id_tokens.split(","),
        speed=options.speed,
        duration_s=options.duration,
        seed=options.seed,
        once=options.once,
        quirk=options.quirk,
        sample_interval_s=options.sample_interval,
        options=_link(options),
        configuration=dict(row.split("=", 1) for row in options.keys),
        state=options.state,
    )


def _link(options: argparse.Namespace) -> LinkOptions:
    certificate = (options.certificate, options.certificate) if options.certificate else None
    return replace(FLEET_LINK, ca_file=options.ca_file, certificate=certificate)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    made = parser()
    options = made.parse_args(arguments)
    if wrong := check(options):
        made.error(wrong)
    gc.set_threshold(50_000, 20, 50)
    try:
        summary = asyncio.run(run(options))
    except ApiRefused as error:
        print(error, file=sys.stderr)
        return 1
    if summary is None:
        return 0
    text = json.dumps(summary, indent=2)
    if options.summary:
        options.summary.write_text(text + "\n")
    if not options.quiet:
        print(text)
    return 0 if summary["connections"] or not summary["chargers"] else 1


if __name__ == "__main__":
    sys.exit(main())
