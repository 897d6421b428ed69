"""Looks the pinned packages up in the advisories (`pip-audit`): findings fail, an unreachable service is told.

`pip-audit` itself ends well when its service knows none of the packages, as a mirror without advisories answers: then
nothing was checked, and a silent success would say otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ("pip_audit", "--requirement", "constraints.txt", "--disable-pip", "--no-deps", "--progress-spinner", "off",
           "--timeout", "5", "--format", "json")  # fmt: skip
WAIT_S = 120


def judge(returned: int, said: str, complained: str) -> tuple[int, str]:
    """Exit status and one line (more only for findings) for what `pip-audit` answered."""
    try:
        packages: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError):
        why = (complained.strip().splitlines() or ["no answer"])[-1]
        return 0, f"pip-audit: the advisories cannot be reached, so no package was checked ({why[:120]})"
    found = [
        f"{one['name']} {one['version']}: {bug['id']} (mended in {', '.join(bug['fix_versions']) or 'nothing yet'})"
        for one in packages
        for bug in one.get("vulns", [])
    ]
    if found or returned not in (0, 1):
        return 1, "\n".join(["pip-audit:", *found]) if found else f"pip-audit: {complained.strip()[-200:]}"
    checked = sum("vulns" in one for one in packages)
    if not checked:
        return 0, "pip-audit: the service knows none of the packages (a mirror?), so no package was checked"
    return 0, f"pip-audit: no advisory on {checked} of {len(packages)} packages"


def main() -> int:
    """Asks, and says what came of it."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND], cwd=ROOT, check=False, capture_output=True, text=True, timeout=WAIT_S
        )  # fmt: skip
        status, line = judge(done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        status, line = judge(0, "", f"no answer in {WAIT_S} s")
    sys.stdout.write(f"{line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
