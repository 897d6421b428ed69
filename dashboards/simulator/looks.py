"""How the simulator's screen draws: banner, state machine, frames. Pure functions from data to HTML."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from dashboards.simulator.texts import w
from simulator.books import Frame

CSS = """<style>
.stMainBlockContainer { padding: 1.4rem 2rem 3rem; max-width: 1700px }
[data-testid="stElementContainer"]:has(.sim-banner) { position: sticky; top: .3rem; z-index: 90 }
.sim-banner { background: #F0C419; color: #17211E; padding: .45rem .9rem; border-radius: 6px;
  border-left: 14px solid #17211E; font-size: .95rem }
.sim-banner b { letter-spacing: .14em; margin-right: .6rem }
.sim-machine { display: flex; flex-wrap: wrap; gap: .3rem .15rem; align-items: center; margin: .2rem 0 .4rem;
  padding: 0 !important; list-style: none; font-size: .85rem }
.sim-machine li { padding: .22rem .6rem; border: 1px solid #8893901f; border-radius: 999px; margin: 0 }
.sim-machine li.way { border: 0; padding: 0 .1rem; opacity: .6 }
.sim-machine li.now { background: #14664D; color: #fff; border-color: #14664D; font-weight: 600 }
.sim-machine li.now.bad { background: #B23A0B; border-color: #B23A0B }
.sim-machine li.now::before { content: "● " }
.sim-frames { font-family: monospace; font-size: .78rem; max-height: 31rem; overflow: auto; margin: 0;
  padding: 0 !important;
  list-style: none }
.sim-frames li { padding: .25rem .35rem; border-bottom: 1px solid #8893903d; overflow-wrap: anywhere; margin: 0 }
.sim-frames time { opacity: .75 }
.sim-frames .out::before { content: "→ " } .sim-frames .in::before { content: "← " }
.sim-frames .error { border-left: 4px solid #FF5A1F }
</style>"""

_MAIN_ROW = ("Available", "Preparing", "Charging", "Finishing", "Available")
_SIDE_ROW = ("Reserved", "SuspendedEV", "SuspendedEVSE", "Faulted", "Unavailable")
_BAD = {"Faulted", "Unavailable"}


def machine(status: str) -> Markup:
    """The states of a connector in OCPP 1.6, the present one marked by colour, dot and weight."""
    arrow = Markup('<li class="way" aria-hidden="true">→</li>')
    main = arrow.join(_chip(name, status, place) for place, name in enumerate(_MAIN_ROW))
    side = Markup().join(_chip(name, status, 0) for name in _SIDE_ROW)
    apart = Markup('<li class="way" aria-hidden="true">·</li>')
    return Markup('<ul class="sim-machine" aria-label="{}">{}{}{}</ul>').format(
        w("machine.alt", status=status), main, apart, side
    )


def _chip(name: str, status: str, place: int) -> Markup:
    now = name == status and place < len(_MAIN_ROW) - 1
    css = ("now bad" if name in _BAD else "now") if now else ""
    return Markup('<li class="{}"{}>{}</li>').format(css, Markup(' aria-current="step"' if now else ""), name)


def frames(rows: Iterable[Frame]) -> Markup:
    """Frames, newest first: time (UTC), direction by arrow, text; errors carry a mark at the left."""
    return Markup('<ul class="sim-frames">{}</ul>').format(Markup().join(_frame(row) for row in rows))


def _frame(row: Frame) -> Markup:
    css = f"{row.direction} error" if row.text.startswith("[4") else row.direction
    return Markup('<li class="{}" title="{}"><time>{:%H:%M:%S}.{:03d}</time> {}</li>').format(
        css, w(f"frames.{row.direction}"), row.at, row.at.microsecond // 1000, row.text
    )


def matching(rows: Iterable[Frame], words: str, most: int) -> list[Frame]:
    """The newest frames that contain `words`, together with the answers to the calls that do."""
    wanted, there = words.strip().lower(), list(rows)
    calls = {_number(row) for row in there if row.text.startswith("[2") and wanted in row.text.lower()}
    shown = [row for row in there if wanted in row.text.lower() or _number(row) in calls]
    return shown[::-1][:most]


def _number(row: Frame) -> str:
    """The id that a call and its answer share; a frame that is none has its own text."""
    parts = row.text.split(",", 2)
    return parts[1].strip() if len(parts) > 2 else row.text
