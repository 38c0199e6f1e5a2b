"""Engines and models of all figures: those of the default figure and damaged ones each, the rest as a number."""

from collections.abc import Iterable, Sequence

from harness.commands.figure.cases import Point, engines_and_models
from harness.doctor.check import Check
from harness.doctor.needs import Look


def stock_checks(default: Sequence[Point], points: Sequence[Point], look: Look) -> Iterable[Check]:
    """``default``: cases of the default figure; ``points``: of all figures that can be measured here."""
    default_pins, default_models = engines_and_models(default)
    pins, models = engines_and_models(points)
    yield from (look.engine(pin) for pin in default_pins)
    others = [look.engine(pin) for pin in pins if pin not in default_pins]
    yield from (check for check in others if check.stops)
    if others:
        yield _counted("other engines", others, "by figure 1, each its own environment", "bash run_figure.sh 1")
    yield from (look.model(name).check for name in default_models)
    rest = [look.model(name) for name in models if name not in default_models]
    yield from (each.check for each in rest if each.check.stops or each.check.status == "warn")
    if rest:
        fix = "python3 download_models.py --synthetic --all"
        yield _counted("other models", [each.check for each in rest], "by the other figures, real or as twins", fix)


def _counted(name: str, checks: Sequence[Check], needed: str, fix: str) -> Check:
    there = sum(check.status in ("ok", "warn") for check in checks)
    found = f"{there} of {len(checks)}"
    if there == len(checks):
        return Check(name, "ok", found, needed)
    return Check(name, "missing", found, needed, fix, automatic=True)
