"""Plants sleeps of 100 ms into an engine, for tests/engine/test_planted_sleeps.py; found through PYTHONPATH.

Where: among the functions that the body of a hooked container calls directly and that are not hooked themselves, in
every process. Which: drawn by PLANTED_SEED. How: the callee is wrapped, and sleeps once per process when its caller is
the container. Every sleep writes what it measured of itself to PLANTED_FILE.

Besides, the first copies of tensors into the model sleep, which PLANTED_COPIES (a file) is told.
"""

import _frozen_importlib
import json
import os
import random
import sys
import time
import types

SLEEP_S = 0.1
COPIES = 3  # that sleep
SHARE = 0.6  # of the candidates that get a sleep


def hooked():
    """(module, name) of every hook, and the containers among them by module."""
    from coldstart_tracer.hook_table import HOOKS

    names = {(hook["module"], hook["name"]) for hook in HOOKS}
    containers = {}
    for hook in HOOKS:
        if hook["kind"] == "container":
            containers.setdefault(hook["module"], []).append(hook["name"])
    return names, containers


def original(function):
    """The function under the tracer's wrapper."""
    function = getattr(function, "__func__", function)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def plant(owner, name, callee, container, label):
    """Replace ``owner.name`` by one that sleeps before its first call from ``container``."""
    done = []

    def sleeping(*args, **kwargs):
        if not done and sys._getframe(1).f_code is container.__code__:
            done.append(True)
            begin = time.monotonic_ns()
            time.sleep(SLEEP_S)
            end = time.monotonic_ns()
            line = {"pid": os.getpid(), "container": container.__qualname__, "callee": label}
            with open(os.environ["PLANTED_FILE"], "a", encoding="utf-8") as file:
                file.write(json.dumps({**line, "begin_ns": begin, "end_ns": end}) + "\n")
        return callee(*args, **kwargs)

    sleeping.__wrapped__ = callee
    sleeping.__name__, sleeping.__qualname__ = callee.__name__, callee.__qualname__
    sleeping.__module__ = callee.__module__
    setattr(owner, name, sleeping)


def plant_in(module_name, containers, hooks):
    """Draw among the unhooked direct callees of this module's containers."""
    module = sys.modules[module_name]
    for container_name in containers:
        owner = module
        *path, last = container_name.split(".")
        for part in path:
            owner = getattr(owner, part)
        container = original(owner.__dict__[last])
        for name in container.__code__.co_names:
            for place in (module, owner):
                callee = vars(place).get(name)
                if not isinstance(callee, types.FunctionType) or hasattr(callee, "__wrapped__"):
                    continue  # no plain function; or hooked, or planted already
                if (callee.__module__, callee.__qualname__) in hooks:
                    continue
                label = f"{callee.__module__}:{callee.__qualname__}"
                if random.Random(f"{os.environ['PLANTED_SEED']} {container_name} {label}").random() < SHARE:
                    plant(place, name, callee, container, label)


def plant_in_copies(torch, loading):
    """Tensor.copy_ sleeps in its first calls from below the function ``loading``."""
    copy = torch.Tensor.copy_
    slept = []

    def sleeping(tensor, *args, **kwargs):
        frame = sys._getframe()
        while len(slept) < COPIES and frame is not None:
            if frame.f_code is loading.__code__:
                begin = time.monotonic_ns()
                time.sleep(SLEEP_S)
                slept.append(time.monotonic_ns() - begin)
                with open(os.environ["PLANTED_COPIES"], "w", encoding="utf-8") as file:
                    json.dump(slept, file)
                break
            frame = frame.f_back
        return copy(tensor, *args, **kwargs)

    torch.Tensor.copy_ = sleeping


if os.environ.get("PLANTED_FILE"):
    HOOKS, CONTAINERS = hooked()
    load_unlocked = _frozen_importlib._load_unlocked

    def planting_load(spec):
        """Plant right after a container's module was loaded (and hooked)."""
        module = load_unlocked(spec)
        containers = CONTAINERS.pop(spec.name, None)
        if containers:
            plant_in(spec.name, containers, HOOKS)
        if spec.name == "vllm.model_executor.model_loader.default_loader":
            plant_in_copies(sys.modules["torch"], original(module.DefaultModelLoader.load_weights))
        return module

    _frozen_importlib._load_unlocked = planting_load
    for _name in [name for name in CONTAINERS if name in sys.modules]:
        plant_in(_name, CONTAINERS.pop(_name), HOOKS)
