"""Where a recording in the paper's layout keeps its logs, and what a log's file name says.

FOLDER/env.json                              what was run
FOLDER/[SLOT/]iterations/{1..5}/output_*.txt raw log of one start
FOLDER/[SLOT/]uncached/output_*.txt          the warm-up start before repeat 1
FOLDER/iterations/output_<version>.txt       figure 1: one log for each vLLM release
FOLDER/<model>[_uncached].txt                figure 12
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.record.bounded import UnreadableError, parse_json, read_bounded

RESULTS, AVERAGES = "comparison_results.json", "avg_comparison_results.json"
SLOTS = ("gpu0", "gpu1", "cpu0", "cpu1", "case0", "case1")
ONLY_SLOT = "node0"
_LABEL = re.compile(r"output_model_(?P<model>[^_]+?)(?:_(?P<options>.+))?\.txt")
_RELEASE = re.compile(r"output_(?P<version>[0-9][0-9A-Za-z.+-]*)\.txt")
_PLAIN = re.compile(r"(?P<model>[^_]+?)(?P<uncached>_uncached)?\.txt")
_ENV_BYTES = 1 << 20
# Options of the paper's recordings, for labels that come without their env.json.
_OPTIONS = ("cuda-graph-sizes", "load-format", "max_model_len", "no-enable-prefix-caching")
_TENSORIZED = "-tensorized"  # an own model id; the model is the one without it


@dataclass(frozen=True)
class RecordedLog:
    """One start's log. ``setting``: its options as ``name=value``, joined by blanks; ``iteration`` 0 = the warm-up."""

    path: Path
    slot: str
    model: str
    setting: str
    iteration: int


def read_label(name: str, options: Iterable[str] = ()) -> tuple[str, str] | None:
    """Model and setting of a log's file name; None if it is not in the paper's form. ``options``: names to look for.

    Option names hold ``_`` as the separator does: only a known name tells where its value begins.
    """
    if release := _RELEASE.fullmatch(name):
        return "", f"vllm={release['version']}"
    label = _LABEL.fullmatch(name)
    if label is None:
        return None
    names = "|".join(re.escape(option) for option in sorted({*options, *_OPTIONS}, key=len, reverse=True))
    found = re.findall(rf"(?:^|_)({names})_(.*?)(?=_(?:{names})_|$)", label["options"] or "")
    setting = [f"{option}={value}" for option, value in found]
    if label["options"] and not found:
        setting = [f"options={label['options']}"]
    model = label["model"]
    if model.endswith(_TENSORIZED):
        model = model.removesuffix(_TENSORIZED)
        setting = setting if any("load-format=" in part for part in setting) else ["load-format=tensorizer", *setting]
    return model, " ".join(setting)


def is_recorded(folder: Path) -> bool:
    """Whether the folder is laid out as one figure's recording, or as one slot of it."""
    return any(map(_holds_repeats, (folder, *(folder / slot for slot in SLOTS)))) or (
        (folder / "cpu_usage.json").is_file()
    )


def recorded_logs(folder: Path, model_of_releases: str) -> Iterator[RecordedLog]:
    """Every log of a recording, in an order that depends on names only.

    Args:
        folder: one figure's, or one slot of it.
        model_of_releases: whose start the logs are that name a vLLM release only (figure 1).

    Raises:
        UnreadableError: env.json is damaged; names the file.
        OSError: a folder cannot be read.
    """
    for slot, part in recorded_parts(folder).items():
        options = option_names(part)
        for iteration, repeat in repeats(part):
            for path in sorted(repeat.glob("output_*.txt")):
                if label := read_label(path.name, options):
                    yield RecordedLog(path, slot, label[0] or model_of_releases, label[1], iteration)
    if (folder / "cpu_usage.json").is_file():
        for path in sorted(folder.glob("*.txt")):
            if name := _PLAIN.fullmatch(path.name):
                yield RecordedLog(path, ONLY_SLOT, name["model"], "", 0 if name["uncached"] else 1)


def recorded_parts(folder: Path) -> dict[str, Path]:
    """The slots of a recording with their folders; a recording without slots is one."""
    parts = {slot: folder / slot for slot in SLOTS if _holds_repeats(folder / slot)}
    if parts:
        return parts
    name = folder.resolve().name
    return {name if name in SLOTS else ONLY_SLOT: folder}


def folders_below(root: Path) -> Iterator[tuple[Path, set[str]]]:
    """``root`` and every folder below it, with the names of the files in it. Links count as what they lead to.

    Raises:
        OSError: a folder cannot be read (to leave it out would look as if all had been compared).
    """
    waiting = [(root, frozenset[str]())]
    while waiting:
        folder, above = waiting.pop()
        real = os.path.realpath(folder)
        if real in above:  # a link to a folder that it lies in
            continue
        names = sorted(os.listdir(folder))
        inside = [name for name in names if (folder / name).is_dir()]
        yield folder, set(names).difference(inside)
        waiting += [(folder / name, above | {real}) for name in reversed(inside)]


def repeats(part: Path) -> list[tuple[int, Path]]:
    """The repeats of one part with their folders, the warm-up as 0. Without repeats (figure 1): the one start as 1."""
    numbered = [(int(path.name), path) for path in (part / "iterations").glob("*") if _is_number(path.name)]
    found = sorted((number, path) for number, path in numbered if path.is_dir())
    if (part / "uncached").is_dir():
        found.insert(0, (0, part / "uncached"))
    return found or ([(1, part / "iterations")] if (part / "iterations").is_dir() else [])


def option_names(part: Path) -> set[str]:
    """Names of the engine options that the part's env.json (or its parent's) mentions; empty without one.

    Raises:
        UnreadableError: it is damaged; names the file.
    """
    for path in (part / "env.json", part.parent / "env.json"):
        if not path.is_file():
            continue
        try:
            document = parse_json(read_bounded(Path(os.path.realpath(path)), _ENV_BYTES))
            configs = [document["default_params"], *document["configs"]]
            return {str(name) for config in configs for name in dict(config)} - {"model"}
        except (UnreadableError, KeyError, TypeError, ValueError) as error:
            raise UnreadableError(f"{path}: not what was run (default_params, configs): {error}") from None
    return set()


def _holds_repeats(part: Path) -> bool:
    return any((part / name).is_dir() for name in ("iterations", "uncached"))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 6
