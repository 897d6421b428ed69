"""Runs a script under cProfile on the CPU clock, so that waiting costs nothing and C code counts.

    python -m bench.profiled FIGURES SCRIPT

SIGUSR1 forgets what was seen so far, SIGUSR2 writes the figures: between them lies the measured window.
"""

from __future__ import annotations

import cProfile
import runpy
import signal
import sys
import time
from types import FrameType


def main(figures: str, script: str) -> None:
    """Profiles `script`, run as `__main__`, until it ends."""
    profile = cProfile.Profile(time.process_time)

    def begin(_number: int, _frame: FrameType | None) -> None:
        profile.disable()
        profile.clear()
        profile.enable()

    def end(_number: int, _frame: FrameType | None) -> None:
        profile.disable()
        profile.dump_stats(figures)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:3])
