"""Storms: bounded at the door, in order, and nobody put off twice."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from backend.ocppj.admission import BootQueue, Door


class Guest:
    """Comes in when told; `says_nothing` has no handshake to begin."""

    def __init__(self, name: int, inside: list[int], *, gone: bool = False, says_nothing: bool = False) -> None:
        self.name, self.inside, self.is_gone, self.says_nothing = name, inside, gone, says_nothing

    def come_in(self) -> bool:
        if self.says_nothing:
            return False
        self.inside.append(self.name)
        return True


@given(st.integers(1, 5), st.lists(st.sampled_from(["stays", "gone", "mute"]), max_size=40))
def test_no_more_than_the_width_are_inside_and_they_come_in_order(width: int, kinds: list[str]) -> None:
    door, inside = Door(width), list[int]()
    for name, kind in enumerate(kinds):
        door.knock(Guest(name, inside, gone=kind == "gone", says_nothing=kind == "mute"))
    served: list[int] = []
    assert len(inside) <= width
    while inside:
        served.append(inside.pop(0))
        door.leave()
        assert len(inside) <= width

    assert served == [name for name, kind in enumerate(kinds) if kind == "stays"]
    assert len(door) == 0


def test_thousands_who_say_nothing_do_not_bury_the_stack() -> None:
    door, inside = Door(1), list[int]()
    door.knock(Guest(0, inside))
    for name in range(1, 5000):
        door.knock(Guest(name, inside, says_nothing=True))
    door.knock(Guest(5000, inside))

    door.leave()

    assert inside == [0, 5000]


async def test_a_boot_that_would_wait_too_long_is_put_off_once() -> None:
    moment = 0.0
    queue = BootQueue(width=2, patience_s=4.0, now=lambda: moment, chance=lambda: 0.5)
    release = asyncio.Event()

    async def boot() -> None:
        async with queue.turn():
            await release.wait()

    async with queue.turn(), queue.turn():
        assert queue.put_off_s("A") is None  # nothing is known of the pace yet
        moment = 4.0
    under_way = [asyncio.create_task(boot()) for _ in range(7)]  # two inside, five waiting, 2 s each
    await asyncio.sleep(0)

    assert queue.expected_wait_s() == 0.0  # both of the last two were done at this instant
    moment = 8.0
    assert queue.expected_wait_s() == 5 * (8.0 - 4.0) / 2
    assert queue.put_off_s("B") == 10
    assert queue.put_off_s("B") is None
    assert queue.put_off == 1
    release.set()
    await asyncio.gather(*under_way)
    assert queue.put_off_s("C") is None


async def test_a_boot_that_is_given_up_frees_its_place() -> None:
    queue = BootQueue(width=1)
    async with queue.turn():
        waiting = asyncio.create_task(_boot(queue))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), queue.turn():
        assert queue.expected_wait_s() == 0.0 or queue.put_off == 0


async def _boot(queue: BootQueue) -> None:
    async with queue.turn():
        pass
