"""Data of the map, by URL from the dashboard's own origin, behind the same gate and in the name of the same person."""

from collections.abc import Mapping
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dashboards.common import door
from dashboards.common.api import Api, ApiDown, ApiRefused, SignedOut
from dashboards.common.gate import SESSION_HEADER
from dashboards.common.status import STATES, svg
from dashboards.emsv.figures import points

ASSETS = Path(__file__).parent.parent / "assets"
ICON = 64
_A_DAY = {"Cache-Control": "private, max-age=86400"}
# The address carries a version of the data, so an answer may be kept for as long as it is looked at.
_VERSIONED = {"Cache-Control": "private, max-age=600"}
_OUTLINES = {"indonesia": "indonesia-outline.geojson", "region": "region-land.geojson"}
NAMES = (*STATES, "none")


def routes() -> list[BaseRoute]:
    return [
        Route("/geo/stations.json", stations),
        Route("/geo/atlas.svg", atlas),
        Route("/geo/outline/{name}.json", outline),
    ]


def icon_mapping() -> Mapping[str, Mapping[str, object]]:
    """Where each state's shape lies in the atlas."""
    return {
        name: {"x": ICON * n, "y": 0, "width": ICON, "height": ICON, "anchorY": ICON // 2, "mask": False}
        for n, name in enumerate(NAMES)
    }


async def stations(request: Request) -> Response:
    """What this person may see, fetched with this person's own token."""
    return await run_in_threadpool(_stations, request.headers[SESSION_HEADER.decode()])


def _stations(key: str) -> Response:
    session = door.store(door.EMSV).get(key)
    if session is None or session.user.get("role") not in door.EMSV.roles:
        return JSONResponse([], 403)
    api: Api = door.api(door.EMSV, key)
    try:
        rows = api.get("/api/analytics/map")["items"]
    except (SignedOut, ApiRefused):
        return JSONResponse([], 403)
    except ApiDown:
        return JSONResponse([], 503)
    return JSONResponse(points(rows), headers=_VERSIONED)


async def outline(request: Request) -> Response:
    file = _OUTLINES.get(request.path_params["name"])
    if file is None:
        return Response(status_code=404)
    return FileResponse(ASSETS / file, media_type="application/geo+json", headers=_A_DAY)


async def atlas(_: Request) -> Response:
    """All shapes side by side, the very drawings that the lists use."""
    shapes = "".join(
        f'<svg x="{ICON * n + 4}" y="4" width="{ICON - 8}" height="{ICON - 8}" viewBox="0 0 16 16">{svg(name)}</svg>'
        for n, name in enumerate(NAMES)
    )
    width = ICON * len(NAMES)
    size = f'width="{width}" height="{ICON}" viewBox="0 0 {width} {ICON}"'
    body = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{shapes}</svg>'
    return Response(body, media_type="image/svg+xml", headers=_A_DAY)
