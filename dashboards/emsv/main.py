"""The EMSV dashboard's navigation."""

from dashboards.common import door
from dashboards.common.frame import Room, open_house

open_house(
    door.EMSV,
    [
        Room("nation.py", "nation", ":material/public:"),
        Room("operators.py", "operators", ":material/domain:"),
        Room("approvals.py", "approvals", ":material/how_to_reg:"),
        Room("wall.py", "wall", ":material/tv:"),
    ],
)
