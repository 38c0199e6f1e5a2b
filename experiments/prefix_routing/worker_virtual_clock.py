"""An asyncio event loop on a virtual clock: when nobody has anything to do, time goes on to whoever waits for it."""

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any


class VirtualClock(asyncio.SelectorEventLoop):
    """``world(until)`` makes time go on to ``until`` [s] or to whatever happens before; it returns how far it got.

    Timers of asyncio (``sleep``, ``call_at``, ``wait``'s timeout) are such times; without any, ``until`` is infinity.
    """

    def __init__(self, world: Callable[[float], float]) -> None:
        self._virtual_s = 0.0
        self._settling: list[asyncio.Future[None]] = []
        super().__init__(_Selector(self._pass_time))
        self._world = world

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_s

    async def sleep_until(self, when: float) -> None:
        """Return at that time, exactly: ``asyncio.sleep`` would add and subtract."""
        if when > self._virtual_s:
            reached = self.create_future()
            self.call_at(when, reached.set_result, None)
            await reached

    async def settle(self) -> None:
        """Return when nobody else has anything to do at this moment."""
        self._settling.append(self.create_future())
        await self._settling[-1]

    def _pass_time(self) -> None:
        if self._settling:
            for settled in self._settling:
                settled.set_result(None)
            self._settling = []
            return
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # cancelled ones are gone
        until = scheduled[0].when() if scheduled else math.inf
        if until > self._virtual_s:
            self._virtual_s = self._world(until)


class _Selector(selectors.DefaultSelector):
    """Nothing outside is waited for."""

    def __init__(self, pass_time: Callable[[], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[Any]:
        """``timeout`` 0: there is something to do now."""
        if timeout is None or timeout > 0:
            self._pass_time()
        return []
