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


class Boots:
    """Boots on a clock that moves only when told; each ends when told."""

    def __init__(self, width: int, patience_s: float) -> None:
        self.moment = 0.0
        self.queue = BootQueue(width, patience_s, now=lambda: self.moment, chance=lambda: 0.5)
        self._ends: list[asyncio.Event] = []

    async def begin(self, count: int) -> None:
        for _ in range(count):
            self._ends.append(end := asyncio.Event())
            task = asyncio.create_task(self._boot(end))
            task.add_done_callback(lambda _: None)
        await _settle()

    async def finish(self, count: int, each_s: float) -> None:
        for end in self._ends[:count]:
            self.moment += each_s
            end.set()
            await _settle()
        del self._ends[:count]

    async def _boot(self, end: asyncio.Event) -> None:
        async with self.queue.turn():
            await end.wait()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_boot_that_would_wait_too_long_is_put_off_once() -> None:
    boots = Boots(width=2, patience_s=4.0)
    await boots.begin(200)
    assert boots.queue.put_off_s("A") is None  # nothing is known of the pace yet
    await boots.finish(150, each_s=1.0)

    wait_s = boots.queue.expected_wait_s()
    assert 45 < wait_s <= 48  # 48 wait, one is done each second
    assert boots.queue.put_off_s("B") == int(wait_s)
    assert boots.queue.put_off_s("B") is None
    assert boots.queue.put_off == 1
    await boots.finish(50, each_s=1.0)
    assert boots.queue.put_off_s("C") is None


async def test_a_quiet_hour_before_does_not_make_the_pace_look_slow() -> None:
    boots = Boots(width=2, patience_s=4.0)
    await boots.begin(1)
    boots.moment = 3600.0
    await boots.finish(1, each_s=0.0)
    boots.moment = 7200.0
    await boots.begin(100)
    await boots.finish(50, each_s=0.01)

    assert boots.queue.expected_wait_s() < 1.0
    assert boots.queue.put_off_s("A") is None
    await boots.finish(50, each_s=0.01)


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
