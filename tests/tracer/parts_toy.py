"""A module whose functions are called too often for spans, and the hooks that add them up."""

TOY = """
    import os, threading, time

    class Base:
        def copy_(self, other):
            time.sleep(other.seconds)
            return self
    class Tensor(Base):
        class device:
            type = "cuda"
        nbytes = 1000
        def __init__(self, seconds=0.0, kind="cpu"):
            self.seconds = seconds
            self.device = type("device", (), {"type": kind})
    class Opened:
        def __init__(self, name):
            time.sleep(0.02)
    def weights(count, seconds=0.0):
        Opened("file")
        for number in range(count):
            time.sleep(seconds)
            yield Tensor(0.01)
        return "end"
    def parse(text):
        time.sleep(0.03)
        helper()
    def helper():
        time.sleep(0.04)
    def load(count=3, fails=False, seconds=0.0):
        target = Tensor(0.0, "cuda")
        for tensor in weights(count, seconds):
            target.copy_(tensor)
        if fails:
            raise KeyError("no weight")
        return is_replaced()
    def load_with(function, *args):
        return function(*args)
    def is_replaced():
        return ["copy_" in Tensor.__dict__, hasattr(weights, "__wrapped__"), type(Opened).__name__]
    def ready():
        pass
"""

LOAD = {"module": "toy", "name": "load", "phase": "load_weights"}
WITHIN = "toy:load"
ADDED = [
    {"module": "toy", "name": "Tensor.copy_", "part": "copy {devices}", "counts_bytes": 1, "io": True},
    {"module": "toy", "name": "weights", "part": "deserialise", "items": True},
    {"module": "toy", "name": "Opened", "part": "open"},
]


def many(within: str = WITHIN, *more: dict[str, object]) -> list[dict[str, object]]:
    return [{**hook, "many": True, "within": within} for hook in (*ADDED, *more)]
