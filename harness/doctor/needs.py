"""What starts need of this machine: engines, models, disk, memory. Each thing is looked at once."""

import functools
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.commands.figure.cases import Point
from harness.doctor.check import Check
from harness.doctor.engines import engine_check
from harness.doctor.gpu import Gpus
from harness.doctor.machine import gib, memory_check
from harness.doctor.models import ModelLook, look_at_model
from harness.doctor.place import existing, storage_check
from harness.engine.environment import engine_of
from harness.measure.conditions import NEEDED_BYTES
from harness.spec.models import find_model
from harness.spec.pin import Pin, release_names
from harness.state.quiet import MEMORY_AVAILABLE_BYTES
from harness.workspace import Workspace

# What the processes of a start were seen to take together, besides KV cache and weights (a page that several processes
# share counts once for each): 2.6 GiB of the CPU engine.
USUAL_ENGINE_BYTES = 3 << 30
KV_CACHE_GIB = "VLLM_CPU_KVCACHE_SPACE"  # of a pin's environment
GPU_SHARE = 0.9  # of a GPU's memory is what vLLM takes by default, for weights and KV cache


class Look:
    """This machine, as far as one call has looked at it."""

    def __init__(self, workspace: Workspace, gpus: Gpus) -> None:
        self.workspace, self.gpus = workspace, gpus
        self._engines: dict[str, Check] = {}
        self.model = functools.cache(functools.partial(look_at_model, workspace=workspace))

    def engine(self, pin: Pin) -> Check:
        """The pin's environment."""
        if pin.name not in self._engines:
            self._engines[pin.name] = engine_check(pin, self.workspace)
        return self._engines[pin.name]

    def eviction(self) -> Check:
        """Whether files can be put out of memory: what starts from a disk need."""
        found = storage_check(self.workspace)
        if found.status != "warn":
            return found
        return replace(found, status="missing" if found.fix else "cannot")

    def disk(self, pins: Sequence[Pin], models: Sequence[str]) -> Check:
        """Room for what is not there yet, on each file system that it goes to."""
        needed: dict[int, int] = defaultdict(int)
        places: dict[int, Path] = {}
        for folder, size in (
            (self.workspace.engines, self._engine_bytes(pins)),
            (self.workspace.models, sum(self._to_make(name) for name in models)),
            (self.workspace.runs, NEEDED_BYTES),
        ):
            place = existing(folder).resolve()
            device = place.stat().st_dev
            needed[device] += size
            places[device] = place
        free = {device: shutil.disk_usage(place).free for device, place in places.items()}
        tightest = min(needed, key=lambda device: free[device] - needed[device])
        room, wanted = free[tightest] / 1e9, needed[tightest] / 1e9
        found, of = f"{room:.1f} GB free", f"{wanted:.1f} GB for what is not there yet, and for runs"
        if room >= wanted:
            return Check("disk", "ok", found, of)
        removable = [name for name in release_names() if (self.workspace.engines / name).is_dir()]
        if removable and not any(pin.name in removable for pin in pins):
            return Check("disk", "missing", found, of, "python3 harness engines remove --releases")
        return Check("disk", "cannot", found, of)

    def _engine_bytes(self, pins: Sequence[Pin]) -> int:
        absent = [pin for pin in pins if not engine_of(pin, self.workspace).is_complete]
        return int(sum(pin.installed_gb for pin in absent) * 1e9)

    def _to_make(self, name: str) -> int:
        model = self.model(name)
        return 0 if model.there else model.file_bytes

    def memory(self, points: Sequence[Point]) -> Check:
        """Memory of the machine, and of a GPU, for the largest start of ``points``."""
        room = (self.gpus.memory_bytes or 0) * GPU_SHARE
        for name in dict.fromkeys(point.model for point in points if point.pin.device == "cuda" and room):
            if (loaded := _loaded_on_gpu(name, self.model(name))) > room:
                found = f"{name} takes {gib(int(loaded))} of a GPU, which has {gib(int(room))} for it"
                return Check("gpu memory", "cannot", found, "room for the weights")
        return memory_check(*self.memory_bytes(points))

    def memory_bytes(self, points: Sequence[Point]) -> tuple[int, int]:
        """Memory without which the largest start of ``points`` cannot succeed, and what it takes when it has it."""
        least, usual = (
            max(memory_bytes(point, self.model(point.model).file_bytes, engine) for point in points)
            for engine in (MEMORY_AVAILABLE_BYTES, USUAL_ENGINE_BYTES)
        )
        return least, usual


def memory_bytes(point: Point, file_bytes: int, engine_bytes: int = USUAL_ENGINE_BYTES) -> int:
    """What a start takes of the machine's memory: its processes, and the files that are held in it.

    Without a GPU, the KV cache and a copy of the weights too. ``file_bytes``: of the model's folder.
    """
    held = 0 if point.setting.state.storage == "ssd" else file_bytes
    if point.pin.device == "cuda":
        return engine_bytes + held
    kv_cache = float(point.pin.environment.get(KV_CACHE_GIB, 0)) * 2**30
    return int(engine_bytes + held + kv_cache + file_bytes)


def _loaded_on_gpu(name: str, model: ModelLook) -> float:
    """Bytes of the weights there: as vLLM said in the paper's runs, or those of the files."""
    loaded_gib = find_model(name).loaded_gib
    return loaded_gib * 2**30 if loaded_gib and not model.twin else model.file_bytes
