"""The EMSV dashboard's navigation."""

from dashboards.common import door
from dashboards.common.frame import Room, open_house

open_house(
    door.EMSV,
    [
        Room("nation.py", "nation", "analytics:read", ":material/public:"),
        Room("alarms.py", "alarms", "alarms:read", ":material/notifications:"),
        Room("operators.py", "operators", "cpos:read", ":material/domain:"),
        Room("onboarding.py", "onboarding", "onboarding:read", ":material/handshake:"),
        Room("revenue.py", "revenue", "revenue_shares:read", ":material/percent:"),
        Room("approvals.py", "approvals", "chargers:read", ":material/how_to_reg:"),
        Room("wall.py", "wall", "analytics:read", ":material/tv:"),
        Room("firmware_rules.py", "firmware_rules", "quirks:read", ":material/rule:", section="fleet"),
        Room("personal_data.py", "personal_data", "personal_data:export", ":material/shield_person:", section="people"),
        Room("people.py", "people", "users:read", ":material/group:", section="people"),
        Room("api_keys.py", "api_keys", "api_keys:read", ":material/key:", section="people"),
        Room("audit.py", "audit", "audit:read", ":material/history_edu:", section="people"),
        Room("own_logins.py", "own_logins", "", ":material/devices:", section="people"),
    ],
)
