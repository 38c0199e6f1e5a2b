"""The artifact appendix as text: ``appendix.md.j2`` filled with what the declarations say."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = "appendix.md.j2"


@dataclass(frozen=True)
class ClaimRow:
    """One claim of the paper, and the best that can be said of it on each class of machine."""

    id: str
    statement: str
    quantity: str
    paper: str
    reproduced: str  # the bounds of this verdict
    same_shape: str | None
    caveat: str | None
    known_failure: bool
    on_cpu_twin: str
    on_gpu_twin: str
    on_gpu_weights: str


@dataclass(frozen=True)
class FigureEntry:
    """One figure. Minutes are None where the default engine cannot measure it."""

    number: str
    question: str
    commands: tuple[str, ...]  # one for each slot
    other_node: str | None  # what the second slot's machine must differ in
    models: int
    cases: int
    starts: int
    minutes: float | None
    smoke_minutes: float | None
    notes: tuple[str, ...]  # what the default engine cannot measure of it
    paper_notes: tuple[str, ...]
    claims: tuple[ClaimRow, ...]

    @property
    def of_paper(self) -> bool:
        """Whether the paper has a figure of this number."""
        return self.number.isdigit()

    @property
    def title(self) -> str:
        """``Figure 2``; of a study that has no number, its name."""
        return f"Figure {self.number}" if self.of_paper else self.number.capitalize()


@dataclass(frozen=True)
class StudyEntry:
    """The figure of a study that makes no starts to be compared with the paper's."""

    name: str
    question: str
    document: str


@dataclass(frozen=True)
class Engine:
    """One patched pin. ``needs``: of driver and GPU; None: no GPU."""

    name: str
    version: str
    device: str
    pythons: str
    torch: str
    needs: str | None
    installed_gb: float
    hooks: int
    lacks: tuple[tuple[str, str], ...]  # what, why


@dataclass(frozen=True)
class Option:
    """One option of ``run_figure.sh``."""

    names: str
    meaning: str


@dataclass(frozen=True)
class Appendix:
    """Everything in the appendix that a declaration says."""

    default: Engine
    cuda: tuple[Engine, ...]  # every CUDA pin, the paper's first
    releases: tuple[str, ...]  # versions that figure 1 starts besides the patched pins, for the default device
    releases_gb: float
    pythons: str
    models: int
    gated: int
    weights_gb: float  # of all their real weights
    twins_gb: float
    memory_gib: float  # of a start of the default figure
    runs_gb: float
    default_gb: float  # disk that the default figure takes
    all_gb: float  # disk that every figure of starts takes with the default engine, with twins
    paper_files: int
    paper_mb: float
    figures: tuple[FigureEntry, ...]
    studies: tuple[StudyEntry, ...]
    groups: tuple[tuple[str, str, float], ...]  # name, its figures, minutes
    general: tuple[ClaimRow, ...]  # claims about all figures
    total_minutes: float  # of every start that the default engine can make for a figure, each once
    smoke_minutes: float
    options: tuple[Option, ...]
    findings: tuple[str, ...]  # titles of the negative ones

    def entry(self, number: str) -> FigureEntry:
        """One of its figures."""
        return next(each for each in self.figures if each.number == number)

    @property
    def claims(self) -> tuple[ClaimRow, ...]:
        """All of them."""
        return (*(claim for figure in self.figures for claim in figure.claims), *self.general)

    def counted(self, column: str) -> str:
        """``30 not run, 33 same shape``: the best verdicts on one class of machine, by the field of ``ClaimRow``."""
        verdicts = [getattr(claim, column) for claim in self.claims]
        return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(sorted(verdicts)))


def appendix_text(appendix: Appendix) -> str:
    """The Markdown text."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["cell"] = _cell
    return environment.get_template(TEMPLATE).render(a=appendix)


def _cell(text: str) -> str:
    """Text that stays within its cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
