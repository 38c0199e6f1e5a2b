"""vLLM's scheduler with work planted into it: so much CPU inside ``schedule``, and so much in a step outside of it."""

import time

from vllm.v1.core.sched.scheduler import Scheduler

INSIDE_S, OUTSIDE_S = 0.004, 0.003


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class BurningScheduler(Scheduler):
    """Hooked is the method of the class above."""

    def schedule(self, *args, **kwargs):
        burn(OUTSIDE_S)
        return super().schedule(*args, **kwargs)

    def _make_cached_request_data(self, *args, **kwargs):
        burn(INSIDE_S)
        return super()._make_cached_request_data(*args, **kwargs)
