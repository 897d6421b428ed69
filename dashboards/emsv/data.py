"""What the EMSV rooms read from the API."""

from typing import Any

from dashboards.common.api import route
from dashboards.common.desk import Answer, read
from dashboards.common.viewer import Viewer

CAP = 20_000


def overview(viewer: Viewer) -> Answer:
    return read(viewer, "/api/analytics/dashboard", stations=False)


def cpos(viewer: Viewer) -> Answer:
    return read(viewer, "/api/cpos", cap=CAP)


def station_map(viewer: Viewer) -> Answer:
    """Place and look of every station."""
    return read(viewer, "/api/analytics/map")


def operator_figures(viewer: Viewer) -> Answer:
    return read(viewer, "/api/analytics/operators")


def live_station(viewer: Viewer, station_id: str) -> Answer:
    """One station with its connectors counted; no row when there is none."""
    return read(viewer, "/api/stations/live", station_id=station_id, limit=1)


def waiting(viewer: Viewer) -> Answer:
    """Chargers that announced themselves and wait for a station."""
    return read(viewer, "/api/chargers", cap=1_000, registration="pending")


def approve(viewer: Viewer, charger_id: str, station_id: str) -> None:
    viewer.api.post(route("chargers", charger_id, "approve"), {"station_id": station_id})


def applications(viewer: Viewer, state: str | None) -> list[dict[str, Any]]:
    """Companies that applied, by name, as they stand now: a page that is loaded anew shows what is new."""
    return viewer.api.pages("/api/cpo/applications", 2_000, state=state)[0]


def application(viewer: Viewer, cpo_id: str) -> dict[str, Any]:
    """One application, as it stands now: a decision names its revision."""
    found: dict[str, Any] = viewer.api.get(route("cpo", cpo_id, "application"))
    return found
