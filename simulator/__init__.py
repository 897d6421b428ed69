"""The simulator of UNIEV: chargers that speak OCPP 1.6J over real sockets, one at a time or as a fleet.

It imports nothing of the platform: it is an independent witness. One charger under a script:
`SimulatedCharger` (see `simulator.device`); many: `simulator.fleet.Fleet` or `python -m simulator --help`.
"""

from simulator.books import BookedSession, Books
from simulator.charger import ChargerSpec
from simulator.clock import RunningClock, StepClock
from simulator.device import SimulatedCharger
from simulator.link import IdentityRefused, LinkOptions, Unreachable
from simulator.outbox import CallRefused, NotDelivered, Unanswered
from simulator.quirks import LIES, QUIRKS, Quirks
from simulator.vehicle import Vehicle

__all__ = [
    "LIES",
    "QUIRKS",
    "BookedSession",
    "Books",
    "CallRefused",
    "ChargerSpec",
    "IdentityRefused",
    "LinkOptions",
    "NotDelivered",
    "Quirks",
    "RunningClock",
    "SimulatedCharger",
    "StepClock",
    "Unanswered",
    "Unreachable",
    "Vehicle",
]
