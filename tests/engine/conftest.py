"""The real engine, for tests marked ``engine``: one workspace with shared starts; and a models folder."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.environment import Engine, engine_of
from harness.engine.model_store import ensure_model
from harness.measure.case import Setting, make_case
from harness.measure.one_run import Case, Place, execute
from harness.measure.start import OfflineStart
from harness.record.run import Run
from harness.record.store import CaseStore
from harness.spec.figure import Mode, load_figure
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.spec.state import StartState
from harness.state.probe import probe_files
from harness.state.sandbox import PLACES, Sandbox
from harness.workspace import Workspace
from tests.engine.made_models import Store

OLD = 1_000_000_000  # 2001


class RealEngine:
    """Runs cases of figure 2 on the default CPU engine, below a temporary folder."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root = root
        self.engine = engine
        self.model = ensure_model("llama3-3b", lambda: engine.python, Workspace().models, synthetic=True)
        self.case = self.case_of_figure_2()
        self.sandbox = Sandbox(root / "caches")

    def case_of_figure_2(self, eager: bool = False, mode: Mode = "offline", state: StartState | None = None) -> Case:
        """A case of figure 2, from its own state or another."""
        figure = load_figure("2", Workspace())
        parameters = figure.case_parameters("llama3-3b", "cpu")[0]
        setting = Setting(parameters, state or figure.state, eager=eager, mode=mode)
        return make_case(figure, self.model, self.engine, setting, self.model.path)

    def eager_case(
        self, name: str, environment: dict[str, str] | None = None, parameters: dict[str, object] | None = None
    ) -> Case:
        """The case without compilation, changed: ``environment`` is added, ``parameters`` replace the figure's."""
        assert isinstance(self.case.start, OfflineStart)
        start = replace(self.case.start, eager=True, parameters=parameters or self.case.start.parameters)
        return replace(self.case, name=name, start=start, environment={**self.case.environment, **(environment or {})})

    def start(self, case: Case, kind: str) -> tuple[Run, Path]:
        """One run; returns its record and folder."""
        store = CaseStore(self.root / "runs" / case.name)
        session = f"s{len(store.runs()) + 1}"
        place = Place(session, store, self.sandbox, {"id": "node-test"})
        run = execute(case, kind, place, announce=print)
        return run, store.run_folder(session, run.run)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty models folder, and an engine that makes twins."""
    made = Store(tmp_path)
    monkeypatch.setenv("CALLS", str(made.calls))
    return made


@pytest.fixture(scope="session")
def users_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches of the user who runs the tests, where their variables and their home say: a file in each that is old."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for variable, place in PLACES.items():
            patch.setenv(variable, str(folder / place))
        home = (".cache/vllm/torch_compile_cache", ".cache/vllm/modelinfos", ".triton/cache", ".nv", ".config/vllm")
        for place in (*PLACES.values(), *(f"home/{each}" for each in home)):
            path = folder / place / "of_the_user.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
            os.utime(path, (OLD, OLD + 1))  # read before it was written: file systems note the next read
        yield folder


@pytest.fixture(scope="session")
def real_engine(tmp_path_factory: pytest.TempPathFactory, users_caches: Path) -> RealEngine:
    """The default engine, or a skip that says how to get it."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    assert users_caches.is_dir()  # every start sees them in the harness's environment
    return RealEngine(tmp_path_factory.mktemp("real"), engine)


@pytest.fixture(scope="session")
def cold_compiled(real_engine: RealEngine) -> tuple[Run, Path]:
    """One compiled start from empty caches (about 80 s on two cores)."""
    return real_engine.start(real_engine.case, "warmup")


@pytest.fixture(scope="session")
def planted(real_engine: RealEngine) -> tuple[Run, Path, Path]:
    """One eager start from the disk with planted sleeps: record, folder, and the file of what the sleeps measured.

    Beside that file another, ``.copies``, has those in copies of tensors.
    """
    return start_with_sleeps(real_engine, "planted")


@pytest.fixture(scope="session")
def planted_again(real_engine: RealEngine) -> tuple[Run, Path, Path]:
    """The same once more, with the sleeps at the same places."""
    return start_with_sleeps(real_engine, "planted-again")


def start_with_sleeps(real_engine: RealEngine, name: str) -> tuple[Run, Path, Path]:
    log = real_engine.root / f"{name}.jsonl"
    seed = os.environ.get("PLANTED_SEED", "1")
    environment = {
        "PYTHONPATH": str(Path(__file__).parent / "planted"),
        "PLANTED_FILE": str(log),
        "PLANTED_COPIES": str(log.with_suffix(".copies")),
        "PLANTED_SEED": seed,
    }
    state = StartState(storage="ssd", compile_cache="empty", model_info="empty")
    case = replace(real_engine.eager_case(name, environment), state=state)
    with probe_files():
        run, folder = real_engine.start(case, "measured")
    return run, folder, log
