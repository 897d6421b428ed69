"""Words that no standard knows cost the charger that says them its good looks, nobody else anything."""

from __future__ import annotations

from backend.database import Scope
from backend.services.analytics import Analytics
from backend.services.connectors import Connectors, ConnectorState
from backend.services.records import PageRequest
from tests.flows.raw import RawCharger
from tests.flows.running import CPO, Running

STAFF = Scope("cpo_admin", None, CPO)


async def test_an_unknown_status_of_one_charger_breaks_no_list_and_no_overview(
    platform: Running, charger: RawCharger
) -> None:
    await charger.status("Available", connector=1)
    await charger.status("Occupied", connector=2)
    await charger.status("", connector=3)

    page = await Connectors(platform.database).list(STAFF, PageRequest())
    assert [(row.status, row.state) for row in page.items] == [
        ("Available", ConnectorState.AVAILABLE), ("Occupied", ConnectorState.UNKNOWN), ("", ConnectorState.UNKNOWN),
    ]  # fmt: skip
    overview = await Analytics(platform.database).dashboard(STAFF)
    assert overview.connectors == {ConnectorState.AVAILABLE: 1, ConnectorState.UNKNOWN: 2}
