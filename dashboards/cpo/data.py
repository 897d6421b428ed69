"""What the CPO rooms read from the API. Rows are the API's own objects."""

from collections.abc import Iterable
from typing import Any

from dashboards.common.desk import Answer, find, read
from dashboards.common.viewer import Viewer

Row = dict[str, Any]
LIST_CAP = 1_000
EXPORT_CAP = 10_000


def overview(viewer: Viewer) -> Answer:
    return read(viewer, "/api/analytics/dashboard")


def energy_by_day(viewer: Viewer, days: int) -> Answer:
    return read(viewer, "/api/analytics/energy", days=days)


def stations(viewer: Viewer) -> Answer:
    return read(viewer, "/api/stations", cap=LIST_CAP)


def station(viewer: Viewer, station_id: str) -> Answer | None:
    return find(viewer, f"/api/stations/{station_id}")


def chargers(viewer: Viewer, station_id: str | None = None) -> Answer:
    return read(viewer, "/api/chargers", cap=LIST_CAP, station_id=station_id)


def charger(viewer: Viewer, charger_id: str) -> Answer | None:
    return find(viewer, f"/api/chargers/{charger_id}")


def connectors(viewer: Viewer, *, station_id: str | None = None, charger_id: str | None = None) -> Answer:
    return read(viewer, "/api/connectors", cap=LIST_CAP, station_id=station_id, charger_id=charger_id)


def session(viewer: Viewer, session_id: str) -> Answer | None:
    return find(viewer, f"/api/sessions/{session_id}")


def session_page(viewer: Viewer, filters: dict[str, Any], cursor: str | None, limit: int) -> Answer:
    return read(viewer, "/api/sessions", **filters, cursor=cursor, limit=limit, count=True)


def all_sessions(viewer: Viewer, filters: dict[str, Any]) -> Answer:
    """For the export: up to EXPORT_CAP rows, `more` when the filters leave even more."""
    return read(viewer, "/api/sessions", cap=EXPORT_CAP, **filters)


def id_tokens(viewer: Viewer) -> list[Row]:
    """Active tokens to start a session with."""
    return [row for row in read(viewer, "/api/id-tokens", cap=LIST_CAP).items if row["status"] == "active"]


def timeline(viewer: Viewer, charger_id: str, filters: dict[str, Any], cursor: str | None, limit: int) -> Answer:
    return read(viewer, f"/api/chargers/{charger_id}/timeline", **filters, cursor=cursor, limit=limit)


def messages(viewer: Viewer, charger_id: str, action: str | None) -> Answer:
    return read(viewer, f"/api/chargers/{charger_id}/messages", action=action, limit=100)


def by(rows: Iterable[Row], column: str) -> dict[Any, list[Row]]:
    """Rows grouped by a column, order kept."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups
