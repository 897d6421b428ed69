"""The CPO's fleet on a wall screen, at an address of its own."""

from dashboards.common import door
from dashboards.common.wall import wall

wall(door.CPO, "overview")
