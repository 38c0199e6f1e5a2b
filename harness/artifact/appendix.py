"""``artifact/make_appendix.py``: the artifact appendix from the declarations, the same on every machine.

No stored run, no GPU and no disk of this machine is asked: minutes are those that a machine without runs is told.
"""

import re

from packaging.version import Version

from harness.artifact.figures import figure_entries, general_claims, groups_of, minutes_of, wanted_of
from harness.artifact.options import figure_options
from harness.artifact.studies import study_entries
from harness.commands.download_models.twins import expected_bytes
from harness.commands.figure.cases import engines_and_models
from harness.doctor.needs import memory_bytes
from harness.engine.pin_fit import OLDEST_DRIVER
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.measure.conditions import NEEDED_BYTES
from harness.record.paper import PAPER_CSV
from harness.show.artifact import Appendix, Engine, appendix_text
from harness.spec.hooks import load_hooks
from harness.spec.models import Model, find_model
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, Pin, load_pin, pin_names
from harness.workspace import Workspace

DEFAULT_FIGURE = "2"
APPENDIX = "artifact/appendix.md"
_FINDING = re.compile(r"^## [\d-]+ · (Negative: .+)$", re.MULTILINE)


def appendix(workspace: Workspace) -> str:
    """The text of ``artifact/appendix.md``.

    Raises:
        HarnessError: a declaration does not fit.
    """
    pin = load_pin(DEFAULT_CPU_PIN)
    wanted = wanted_of(pin, workspace)
    pins, names = engines_and_models([point for each in wanted for point in each.points])
    models = {name: find_model(name) for each in wanted for name in each.figure.models}
    figures = figure_entries(pin, workspace)
    (default,) = (each for each in wanted if each.number == DEFAULT_FIGURE)
    twin_bytes = _twin_bytes(find_model(default.points[0].model))
    paper = [workspace.figure(each.number) / PAPER_CSV for each in figures]
    sizes = [path.stat().st_size for path in paper if path.exists()]
    releases = [each for each in pins if not each.traced]
    twins_gb = sum(_twin_bytes(find_model(name)) for name in names) / 1e9
    log = (workspace.root / "experiments" / "cold_start" / "LOG.md").read_text(encoding="utf-8")
    return appendix_text(
        Appendix(
            default=_engine(pin),
            cuda=_cuda_engines(),
            releases=tuple(each.vllm_version for each in releases),
            releases_gb=sum(each.installed_gb for each in releases),
            pythons=" or ".join(pin.python),
            models=len(models),
            gated=sum(model.gated for model in models.values()),
            weights_gb=sum(model.checkpoint.tensor_bytes for model in models.values()) / 1e9,
            twins_gb=twins_gb,
            memory_gib=memory_bytes(default.points[0], twin_bytes) / 2**30,
            runs_gb=NEEDED_BYTES / 1e9,
            default_gb=pin.installed_gb + (twin_bytes + NEEDED_BYTES) / 1e9,
            all_gb=sum(each.installed_gb for each in pins) + twins_gb + NEEDED_BYTES / 1e9,
            paper_files=len(sizes),
            paper_mb=sum(sizes) / 1e6,
            figures=figures,
            studies=study_entries(workspace),
            groups=groups_of(pin, workspace),
            general=general_claims(figures),
            total_minutes=minutes_of(wanted),
            smoke_minutes=minutes_of(wanted_of(pin, workspace, smoke=True), smoke=True),
            options=figure_options(),
            findings=tuple(_FINDING.findall(log)),
        )
    )


def _twin_bytes(model: Model) -> int:
    return int(expected_bytes(model, DEFAULT_SCALE))


def _cuda_engines() -> tuple[Engine, ...]:
    """In the order in which they are taken where they fit: the paper's, then the newest."""
    pins = [pin for name in pin_names() if (pin := load_pin(name)).device == "cuda"]
    pins.sort(key=lambda pin: Version(pin.vllm_version), reverse=True)
    return tuple(_engine(pin) for pin in sorted(pins, key=lambda pin: pin.name != DEFAULT_CUDA_PIN))


def _needs(pin: Pin) -> str | None:
    """Of driver and GPU."""
    if pin.cuda is None or pin.compute_capability is None:
        return None
    least, most = pin.compute_capability
    driver = OLDEST_DRIVER[pin.cuda.partition(".")[0]]
    return f"driver {driver} or newer, compute capability {least} to {most}"


def _engine(pin: Pin) -> Engine:
    return Engine(
        name=pin.name,
        version=pin.vllm_version,
        device=pin.device,
        pythons=" or ".join(pin.python),
        torch=pin.torch.replace("==", " "),
        needs=_needs(pin),
        installed_gb=pin.installed_gb,
        hooks=len(load_hooks(pin.hooks).hook),
        lacks=tuple(pin.lacks.items()),
    )
