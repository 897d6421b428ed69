"""The CPO dashboard's navigation: one line a room, grouped by what people come for."""

from dashboards.common import door
from dashboards.common.frame import Room, open_house

open_house(
    door.CPO,
    [
        Room("overview.py", "overview", ":material/monitoring:"),
        Room("live.py", "live", ":material/ev_station:"),
        Room("alarms.py", "alarms", ":material/notifications:"),
        Room("sessions.py", "sessions", ":material/receipt_long:"),
        Room("held.py", "held", ":material/front_hand:"),
        Room("wall.py", "wall", ":material/tv:"),
        Room("message_log.py", "message_log", ":material/forum:", section="chargers"),
        Room("configuration.py", "configuration", ":material/tune:", section="chargers"),
        Room("firmware.py", "firmware", ":material/system_update:", section="chargers"),
        Room("security.py", "security", ":material/shield_lock:", section="chargers"),
        Room("reservations.py", "reservations", ":material/event_available:", section="chargers"),
        Room("local_lists.py", "local_lists", ":material/badge:", section="chargers"),
        Room("charging_profiles.py", "charging_profiles", ":material/speed:", section="chargers"),
        Room("campaigns.py", "campaigns", ":material/campaign:", section="fleet"),
        Room("quirks.py", "quirks", ":material/rule:", section="fleet"),
        Room("charger.py", "charger", section="chargers", listed=False),
        Room("session.py", "session", section="chargers", listed=False),
    ],
)
