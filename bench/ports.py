"""Ports for servers that are started to be measured or tested."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from typing import Final

# The kernel gives outgoing connections ports from 32768 on (Linux), from 49152 on elsewhere. A server that gets one of
# those, some seconds after it was found free, meets a fleet of simulated chargers that took it meanwhile.
_BELOW_OUTGOING: Final = range(15_000, 32_000)
_draw: Final = random.SystemRandom()  # not the seed of a test: two processes must not draw alike


def free_port() -> int:
    """A port of the loopback that nobody uses now, and no outgoing connection will take."""
    while True:
        port = _draw.choice(_BELOW_OUTGOING)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
