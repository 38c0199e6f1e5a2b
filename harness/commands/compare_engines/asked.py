"""What ``engines compare`` was asked for, checked before anything is started or sent."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.measure.contenders import Contender
from harness.measure.openai_server import base_of
from harness.measure.served_engines import KINDS
from harness.spec.models import find_model
from harness.spec.pin import load_pin

GENERATED = "generated"
NO_TOKENIZER = "none"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")  # becomes a header and stands in tables
_MOST_LEVEL = 4096


@dataclass(frozen=True)
class LoadAsked:
    """The prompts and how they are sent."""

    prompts: str = GENERATED  # or a load file
    num_prompts: int = 16  # of each target at each concurrency in each repeat
    prompt_words: int = 40  # of generated ones
    output_tokens: int = 64
    levels: tuple[int, ...] = (1, 2, 4, 8)
    repeats: int = 3
    ignore_eos: bool = False
    seed: int = 0
    timeout_s: float = 120.0  # of one request


@dataclass(frozen=True)
class ComparisonAsked:
    """Everything. ``external``: servers that run already; ``serve``: kinds of engines to start here."""

    external: tuple[Contender, ...]
    serve: tuple[str, ...]
    model: str
    pin: str | None  # of vLLM
    eager: bool
    tokenizer: str | None  # a folder or tokenizer.json, none; None: the served model's
    load: LoadAsked = field(default_factory=LoadAsked)
    again: bool = False
    out: Path | None = None

    @property
    def names(self) -> list[str]:
        """Of all targets, the first of which the others are held against."""
        return [*self.serve, *(each.name for each in self.external)]


def external_targets(targets: Sequence[str], keys: Sequence[str], models: Sequence[str]) -> tuple[Contender, ...]:
    """``NAME=URL`` with ``NAME=VARIABLE`` of its key and ``NAME=MODEL``.

    Raises:
        HarnessError: one is not of that form, a name stands twice or is unknown, or a variable is not set.
    """
    urls = _named(targets, "--target", "URL")
    variables, named = _named(keys, "--key-env", "VARIABLE"), _named(models, "--model-of", "MODEL")
    for option, given in (("--key-env", variables), ("--model-of", named)):
        if unknown := next((name for name in given if name not in urls), None):
            raise HarnessError(f"{option} {unknown}=…: no --target has this name")
    found = []
    for name, url in urls.items():
        key = None
        if (variable := variables.get(name)) is not None and not (key := os.environ.get(variable)):
            raise HarnessError(f"--key-env {name}={variable}: the variable is not set; export it, never type a key")
        base = base_of(url, f"--target {name}=…", f"give a key by --key-env {name}=VARIABLE")
        found.append(Contender(name, base, named.get(name), key))
    return tuple(found)


def _named(given: Sequence[str], option: str, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not value or not _NAME.fullmatch(name):
            form = f"NAME={what}, the name of at most 40 letters, digits, and . _ -"
            raise HarnessError(f"{option} {name[:40]}…: it takes {form}")
        if name in found:
            raise HarnessError(f"{option} {name}=…: {name} stands twice")
        found[name] = value
    return found


def kinds_of(text: str | None) -> tuple[str, ...]:
    """``vllm,llama.cpp`` → the kinds. Raises HarnessError: one is unknown or stands twice."""
    kinds = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if unknown := next((kind for kind in kinds if kind not in KINDS), None):
        raise HarnessError(f"--serve {unknown[:40]}: no engine that is served here; known: {', '.join(KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise HarnessError("--serve: an engine stands twice")
    return kinds


def levels_of(text: str) -> tuple[int, ...]:
    """``1,2,4`` → rising concurrencies. Raises HarnessError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part[:9]) <= _MOST_LEVEL for part in parts):
        raise HarnessError(f"--concurrency {text[:40]}: it takes whole numbers from 1 to {_MOST_LEVEL}, as in 1,2,4,8")
    return tuple(sorted({int(part) for part in parts}))


def check(asked: ComparisonAsked) -> None:
    """Raise HarnessError where the parts do not fit together."""
    if not asked.names:
        raise HarnessError(f"nothing to compare: give --target NAME=URL, or --serve {','.join(KINDS)}")
    if twice := next((name for name in asked.serve if name in {each.name for each in asked.external}), None):
        raise HarnessError(f"--target {twice}=…: --serve has this name, too")
    if asked.serve:
        find_model(asked.model)
    if "vllm" in asked.serve and asked.pin is not None:
        load_pin(asked.pin)
    load = asked.load
    if load.num_prompts < max(load.levels):
        what = f"--num-prompts {load.num_prompts}: fewer than the highest --concurrency {max(load.levels)}"
        raise HarnessError(f"{what} would never be under way at once")
    if asked.tokenizer not in (None, NO_TOKENIZER) and not tokenizer_file(str(asked.tokenizer)).is_file():
        raise HarnessError(
            f"--tokenizer {asked.tokenizer}: there is no tokenizer.json; name a model's folder, or "
            f"--tokenizer {NO_TOKENIZER} to count streamed chunks"
        )


def tokenizer_file(named: str) -> Path:
    """The tokenizer.json that is meant."""
    path = Path(named)
    return path if path.suffix == ".json" else path / "tokenizer.json"
