"""What the CPO rooms read from the API. Rows are the API's own objects."""

from collections.abc import Iterable
from typing import Any

from dashboards.common.api import route
from dashboards.common.desk import Answer, find, read
from dashboards.common.viewer import Viewer

Row = dict[str, Any]
LIST_CAP = 1_000


def overview(viewer: Viewer) -> Answer:
    return read(viewer, "/api/analytics/dashboard", stations=False)


def energy_by_day(viewer: Viewer, days: int) -> Answer:
    return read(viewer, "/api/analytics/energy", days=days)


def live_stations(viewer: Viewer, q: str | None, state: str | None, cursor: str | None, limit: int) -> Answer:
    """One page of stations with their connectors counted."""
    return read(viewer, "/api/stations/live", q=q, state=state, cursor=cursor, limit=limit)


def station(viewer: Viewer, station_id: str) -> Answer | None:
    return find(viewer, route("stations", station_id))


def chargers(viewer: Viewer, *station_ids: str) -> Answer:
    """The chargers of these stations."""
    return read(viewer, "/api/chargers", cap=LIST_CAP, station_id=station_ids)


def charger(viewer: Viewer, charger_id: str) -> Answer | None:
    return find(viewer, route("chargers", charger_id))


def connectors(viewer: Viewer, *station_ids: str, charger_id: str | None = None) -> Answer:
    """The connectors of these stations, or of one charger."""
    return read(viewer, "/api/connectors", cap=LIST_CAP, station_id=station_ids or None, charger_id=charger_id)


def in_state(viewer: Viewer, state: str, limit: int) -> Answer:
    """The first connectors in a state."""
    return read(viewer, "/api/connectors", state=state, limit=limit)


def session(viewer: Viewer, session_id: str) -> Answer | None:
    return find(viewer, route("sessions", session_id))


def session_page(viewer: Viewer, filters: dict[str, Any], cursor: str | None, limit: int) -> Answer:
    return read(viewer, "/api/sessions", **filters, cursor=cursor, limit=limit, count=True)


def reviews(viewer: Viewer, filters: dict[str, Any], limit: int) -> Answer:
    """Sessions that are or were held, with evidence and proposal."""
    return read(viewer, "/api/sessions/reviews", **filters, limit=limit, count=True)


def id_tokens(viewer: Viewer) -> list[Row]:
    """Active tokens to start a session with."""
    return [row for row in read(viewer, "/api/id-tokens", cap=LIST_CAP).items if row["status"] == "active"]


def timeline(viewer: Viewer, charger_id: str, filters: dict[str, Any], cursor: str | None, limit: int) -> Answer:
    return read(viewer, route("chargers", charger_id, "timeline"), **filters, cursor=cursor, limit=limit)


def exchanges(
    viewer: Viewer, charger_id: str, filters: dict[str, Any], cursor: str | None = None, limit: int = 50
) -> Answer | None:
    """OCPP calls with their answers; None for a charger that does not exist."""
    path = route("chargers", charger_id, "messages", "exchanges")
    return find(viewer, path, **filters, cursor=cursor, limit=limit)


def by(rows: Iterable[Row], column: str) -> dict[Any, list[Row]]:
    """Rows grouped by a column, order kept."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups
