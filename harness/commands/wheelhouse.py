"""``python3 harness wheelhouse build | join | check``: make one, join its pieces, say whether it fits here."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.door import json_errors
from harness.engine.default_pin import default_pin
from harness.engine.reused_python import reused_python
from harness.engine.wheel_build import Asked, build_wheelhouse
from harness.engine.wheel_check import Fit, fit
from harness.engine.wheel_lock import Target
from harness.errors import HarnessError
from harness.record.pieces import join
from harness.record.plain import printable
from harness.record.wheelhouse import Wheelhouse, WheelhouseError, problems, read_wheelhouse
from harness.spec.pin import load_build

_SIZE = re.compile(r"([0-9]{1,6})([kMG])B?")
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}
_SMALLEST = 10**6  # of any engine that makes fewer pieces than a manifest may have
_NAMED = 12  # packages in a line for people


def run_build(
    dest: Path,
    pin: str | None,
    target: tuple[str, str],
    exclude: str | None,
    with_harness: bool,
    split: str | None,
    as_json: bool,
) -> int:
    """Build; returns the exit code.

    Raises:
        HarnessError: wrong use, or a wheel that cannot be had.
    """
    dest = dest.absolute()
    with json_errors(as_json):
        asked = Asked(
            build=load_build(pin or default_pin()),
            target=Target(*target),
            dest=dest,
            exclude=tuple(word.strip() for word in (exclude or "").split(",") if word.strip()),
            with_harness=with_harness,
            split_bytes=None if split is None else size_of(split),
        )
        house = build_wheelhouse(asked, lambda text: print(text, file=sys.stderr, flush=True))
    _say(_about(house, dest), as_json)
    if as_json:
        print(json.dumps(_document(house, dest)))
    return 0


def run_join(sources: Sequence[Path], dest: Path, as_json: bool) -> int:
    """Join; returns the exit code.

    Raises:
        HarnessError: pieces are missing or damaged (each is named), or something else is there.
    """
    dest = dest.absolute()
    with json_errors(as_json):
        try:
            done = join(sources, dest)
        except WheelhouseError as error:
            raise HarnessError(str(error)) from None
        if not done.complete:
            have = len(done.pieces) - len(done.missing) - len(done.damaged)
            kinds = (("missing", done.missing), ("damaged", done.damaged))
            named = "; ".join(f"{what}: {', '.join(names)}" for what, names in kinds if names)
            raise HarnessError(
                f"{have} of {len(done.pieces)} pieces are kept, {named}; repeat with the folder that has them"
            )
    _say(_about(done.wheelhouse, dest), as_json)
    if as_json:
        print(json.dumps(_document(done.wheelhouse, dest)))
    return 0


def run_check(folder: Path, reuse: Path | None, as_json: bool) -> int:
    """Look and print; returns 0 if it fits, else 1.

    Raises:
        HarnessError: it is no wheelhouse, or of an engine that this checkout does not declare.
    """
    folder = folder.absolute()
    with json_errors(as_json):
        try:
            house = read_wheelhouse(folder)
            found = fit(folder, load_build(house.pin), reused_python(reuse) if reuse else None)
            pieces = problems(folder, house.pieces)
            harness = problems(folder, () if house.pieces else house.of("harness"), house.files)
        except WheelhouseError as error:
            raise HarnessError(str(error)) from None
    lines = [*found.lines(), *(pieces.lines() if house.pieces else ()), *_harness_lines(house, harness.lines())]
    fits = found.fits and not harness.stop
    for line in [*lines, *_reused_line(found)]:
        _say(line, as_json)
    _say("it fits" if fits else "it does not fit; nothing was installed", as_json)
    if as_json:
        missing = [*found.document()["missing"], *harness.missing, *pieces.missing]
        damaged = [*found.document()["damaged"], *harness.damaged, *pieces.damaged]
        both = {"missing": list(dict.fromkeys(missing)), "damaged": list(dict.fromkeys(damaged))}
        print(json.dumps({**found.document(), **both, "fits": fits}))
    return 0 if fits else 1


def size_of(text: str) -> int:
    """Bytes of ``60M`` (k, M and G are powers of 1000). Raises HarnessError."""
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if size < _SMALLEST:
        raise HarnessError(f"--split {printable(text, 40)}: write a size as 60M or 2G, of at least 1M")
    return size


def _harness_lines(house: Wheelhouse, lines: Sequence[str]) -> list[str]:
    if house.requirements_sha256 is None:
        return ["without the harness's wheels: .venv/ cannot be made from it"]
    return [f"for .venv/, {line}" for line in lines if not line.startswith("surplus")]


def _reused_line(found: Fit) -> list[str]:
    packages = [f"{name} {version}" for name, version in found.reused.items()]
    return [f"reused from that Python: {', '.join(packages)}"] if packages else []


def _about(house: Wheelhouse, dest: Path) -> str:
    size = sum(file.bytes for file in house.files) / 1e6
    text = f"{dest}: {len(house.files)} wheels, {size:.0f} MB"
    text += f", in {len(house.pieces)} pieces" if house.pieces else ""
    text += f", for engine {house.pin}, Python {house.python}, glibc {house.glibc} or newer"
    for pattern, packages in house.excluded.items():
        few = ", ".join(packages[:_NAMED]) + (f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else "")
        text += f"\nleft out by {pattern}: {few or 'nothing, the lock has no such package'}"
    return text


def _document(house: Wheelhouse, dest: Path) -> dict[str, Any]:
    return {
        "dest": str(dest),
        "pin": house.pin,
        "python": house.python,
        "platform": house.platform,
        "glibc": house.glibc,
        "wheels": len(house.files),
        "bytes": sum(file.bytes for file in house.files),
        "pieces": len(house.pieces),
        "excluded": {pattern: list(packages) for pattern, packages in house.excluded.items()},
    }


def _say(text: str, as_json: bool) -> None:
    for line in text.splitlines():
        print(printable(line), file=sys.stderr if as_json else sys.stdout)
