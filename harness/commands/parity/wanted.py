"""What ``parity`` is asked for, checked before anything is installed or started."""

import math
from dataclasses import dataclass

from experiments.engine_anatomy.parity_study import EXACT
from harness.errors import HarnessError
from harness.measure.inherited import caller_threads
from harness.record.plain import printable
from harness.spec.models import find_model

MAX_PROMPTS, MAX_TOKENS, MAX_SEED = 1000, 4096, 2**31 - 1


@dataclass(frozen=True)
class Wanted:
    """A checked call. ``tokens``, ``threads``: None = as the weights are; ``factor``: None = no fault is planted."""

    model: str
    dtypes: tuple[str, ...]
    prompts: int
    tokens: int | None
    seed: int
    factor: float | None
    tensor: str | None
    threads: int | None  # of each process


def wanted_of(
    model: str, dtypes: str, prompts: int, tokens: int | None, seed: int, factor: float | None, tensor: str | None
) -> Wanted:
    """The call, and the caller's OMP_NUM_THREADS. Raises HarnessError: something in it cannot be."""
    find_model(model)
    names = tuple(dict.fromkeys(name.strip() for name in dtypes.split(",") if name.strip()))
    for name in names or ("",):
        if name not in EXACT:
            raise HarnessError(f"--dtype '{printable(name, 40)}': no such precision; name some of {', '.join(EXACT)}")
    _in_range("--prompts", prompts, 1, MAX_PROMPTS)
    _in_range("--seed", seed, 0, MAX_SEED)
    if tokens is not None:
        _in_range("--tokens", tokens, 1, MAX_TOKENS)
    if factor is not None and (not math.isfinite(factor) or factor == 1):
        raise HarnessError(f"--plant {factor:g}: a factor that changes a matrix, such as 1.01")
    if tensor is not None and factor is None:
        raise HarnessError("--tensor says where --plant puts its fault; give --plant FACTOR, too, or leave it out")
    return Wanted(model, names, prompts, tokens, seed, factor, tensor, caller_threads())


def _in_range(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise HarnessError(f"{option} {value}: it must be {least} to {most}")
