"""Figures that the EMSV rooms make of what the API says. Pure functions over the API's own objects."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.common.status import STATES

Row = dict[str, Any]


def worst(by_state: Mapping[str, int]) -> str:
    """The state that a station shows on the map; `none` without connectors."""
    return next((state for state in STATES if by_state.get(state)), "none")


def points(rows: Sequence[Row]) -> list[Row]:
    """Stations for the map, calm first: what is drawn last lies on top. `p` is [longitude, latitude]."""
    order = {state: rank for rank, state in enumerate((*STATES, "none"))}
    marked = [
        {
            "i": row["id"],
            "n": row["name"],
            "c": row["city"] or "",
            "p": [row["longitude"], row["latitude"]],
            "s": worst(row["connectors"]),
        }
        for row in rows
        if row["latitude"] is not None and row["longitude"] is not None
    ]
    return sorted(marked, key=lambda point: -order[point["s"]])


def version(marked: Sequence[Row]) -> str:
    """Changes only when the map would look different: clicks on a layer are lost while it reloads."""
    return hashlib.sha256(json.dumps(marked, sort_keys=True).encode()).hexdigest()[:12]


def per_cpo(cpo_rows: Sequence[Row], station_rows: Sequence[Row], live_rows: Sequence[Row]) -> list[Row]:
    """Stations, connectors by state and power (W) of each CPO, in the order of the CPO list."""
    owner = {row["id"]: row["cpo_id"] for row in station_rows}
    figures: dict[str, Row] = {
        row["id"]: {"cpo": row, "stations": 0, "connectors": {}, "power_w": 0.0} for row in cpo_rows
    }
    for row in live_rows:
        mine = figures.get(owner.get(row["id"], ""))
        if mine is None:
            continue
        mine["stations"] += 1
        mine["power_w"] += row["power_w"] or 0
        for state, count in row["connectors"].items():
            mine["connectors"][state] = mine["connectors"].get(state, 0) + count
    return list(figures.values())
