"""The CPO dashboard's navigation: one line a room, grouped by what people come for."""

from dashboards.common import door
from dashboards.common.frame import Room, open_house

open_house(
    door.CPO,
    [
        Room("overview.py", "overview", "analytics:read", ":material/monitoring:"),
        Room("live.py", "live", "connectors:read", ":material/ev_station:"),
        Room("alarms.py", "alarms", "alarms:read", ":material/notifications:"),
        Room("sessions.py", "sessions", "sessions:read", ":material/receipt_long:"),
        Room("held.py", "held", "sessions:read", ":material/front_hand:"),
        Room("wall.py", "wall", "analytics:read", ":material/tv:"),
        Room("message_log.py", "message_log", "messages:read", ":material/forum:", section="chargers"),
        Room("configuration.py", "configuration", "configuration:read", ":material/tune:", section="chargers"),
        Room("firmware.py", "firmware", "firmware:read", ":material/system_update:", section="chargers"),
        Room("security.py", "security", "chargers:read", ":material/shield_lock:", section="chargers"),
        Room("reservations.py", "reservations", "reservations:read", ":material/event_available:", section="chargers"),
        Room("local_lists.py", "local_lists", "local_lists:read", ":material/badge:", section="chargers"),
        Room(
            "charging_profiles.py",
            "charging_profiles",
            "charging_profiles:read",
            ":material/speed:",
            section="chargers",
        ),
        Room("campaigns.py", "campaigns", "campaigns:read", ":material/campaign:", section="fleet"),
        Room("quirks.py", "quirks", "quirks:read", ":material/rule:", section="fleet"),
        Room("revenue.py", "revenue", "revenue_shares:read", ":material/percent:", section="money"),
        Room("drivers.py", "drivers", "drivers:read", ":material/person:", section="people"),
        Room("people.py", "people", "users:read", ":material/group:", section="people"),
        Room("api_keys.py", "api_keys", "api_keys:read", ":material/key:", section="people"),
        Room("audit.py", "audit", "audit:read", ":material/history_edu:", section="people"),
        Room("own_logins.py", "own_logins", "", ":material/devices:", section="people"),
        Room("charger.py", "charger", "chargers:read", section="chargers", listed=False),
        Room("session.py", "session", "sessions:read", section="chargers", listed=False),
    ],
)
