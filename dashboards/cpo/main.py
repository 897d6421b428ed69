"""The CPO dashboard's navigation."""

from dashboards.common import door
from dashboards.common.frame import Room, open_house

open_house(
    door.CPO,
    [
        Room("overview.py", "overview", ":material/monitoring:"),
        Room("live.py", "live", ":material/ev_station:"),
        Room("sessions.py", "sessions", ":material/receipt_long:"),
        Room("charger.py", "charger", listed=False),
        Room("session.py", "session", listed=False),
    ],
)
