"""Figures that the EMSV rooms make of what the API says. Pure functions over the API's own objects."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from dashboards.common.status import STATES

Row = dict[str, Any]


def points(rows: Sequence[Row]) -> list[Row]:
    """Stations for the map, calm first: what is drawn last lies on top. `p` is [longitude, latitude]."""
    order = {state: rank for rank, state in enumerate((*STATES, "none"))}
    marked = [
        {
            "i": row["id"],
            "n": row["name"],
            "c": row["city"] or "",
            "p": [row["longitude"], row["latitude"]],
            "s": row["state"] or "none",
        }
        for row in rows
    ]
    return sorted(marked, key=lambda point: -order[point["s"]])


def version(marked: Sequence[Row]) -> str:
    """Changes only when the map would look different: clicks on a layer are lost while it reloads."""
    return hashlib.sha256(json.dumps(marked, sort_keys=True).encode()).hexdigest()[:12]


def per_cpo(cpo_rows: Sequence[Row], figure_rows: Sequence[Row]) -> list[Row]:
    """Each CPO with its stations, connectors by state and power (W), in the order of the CPO list."""
    figures = {row["cpo_id"]: row for row in figure_rows}
    nothing: Row = {"stations": 0, "connectors": {}, "power_w": 0.0}
    return [{**nothing, **figures.get(row["id"], {}), "cpo": row} for row in cpo_rows]
