"""Which CUDA pin fits a driver, a GPU, a Python and a torch; and which one a machine measures with."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine import default_pin as default
from harness.engine import detect
from harness.engine.default_pin import check_fit, note_on_default
from harness.engine.pin_fit import Host, Reused, choose, fit, is_other_build
from harness.engine.reused_python import ReusedPython
from harness.engine.wheel_source import REUSE_PYTHON, WHEELHOUSE, Source
from harness.errors import HarnessError
from harness.record.wheelhouse import Wheelhouse
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, Pin, load_pin

PAPERS = load_pin(DEFAULT_CUDA_PIN).model_copy(update={"cuda": "12.6", "compute_capability": ("7.0", "9.0")})
CURRENT = PAPERS.model_copy(
    update={
        "name": "vllm-0.25.1-cuda",
        "vllm_version": "0.25.1",
        "torch": "torch==2.11.0",
        "cuda": "13.0",
        "compute_capability": ("7.5", "12.0"),
    }
)
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def host(cuda: str = "13.0", capability: str | None = "9.0", reused: Reused | None = None) -> Host:
    return Host("580.65", cuda, (("NVIDIA H200", capability),), "3.11", reused)


def torch_of(found: str | None, version: str = "3.12") -> Reused:
    return Reused("/opt/python", version, found)


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both CUDA pins, and a machine whose GPU each test chooses."""
    known = {each.name: each for each in (PAPERS, CURRENT)}
    monkeypatch.setattr(default, "pin_names", lambda: [*known, DEFAULT_CPU_PIN])
    monkeypatch.setattr(default, "load_pin", lambda name: known.get(name) or load_pin(name))
    installed(monkeypatch)
    for name in (WHEELHOUSE, REUSE_PYTHON):
        monkeypatch.delenv(name, raising=False)


def installed(monkeypatch: pytest.MonkeyPatch, *names: str, python: str = PYTHON) -> None:
    """Which engines are there, made with this Python."""
    monkeypatch.setattr(
        default, "engine_of", lambda pin: SimpleNamespace(is_complete=pin.name in names, python_version=python)
    )


def machine(monkeypatch: pytest.MonkeyPatch, cuda: str | None, capability: str | None = "9.0") -> None:
    gpus = [{"uuid": "GPU-a", "name": "NVIDIA H200"}] if cuda else []
    monkeypatch.setattr(detect, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(detect, "unasked", lambda: None)
    monkeypatch.setattr(default, "check_whole", lambda _: None)
    monkeypatch.setattr(detect, "driver_versions", lambda: {"driver_version": "580.65", "cuda_version": cuda})
    monkeypatch.setattr(detect, "compute_capability", lambda _: capability)


def test_what_fits_is_told_link_by_link() -> None:
    assert fit(CURRENT, host()).line == (
        "driver 580.65 → CUDA ≤ 13.0 → torch 2.11.0 (CUDA 13.0) → vLLM 0.25.1; kernels for 7.5…12.0, NVIDIA H200 is 9.0"
    )


@pytest.mark.parametrize(
    ("pin", "where", "why"),
    [
        (
            CURRENT,
            host(cuda="12.8"),
            "driver 580.65 runs CUDA up to 12.8, and torch 2.11.0 needs CUDA 13.0 (driver 580 or newer)",
        ),
        (
            PAPERS,
            host(capability="10.0"),
            "torch 2.7.1 has kernels for compute capability 7.0 to 9.0, NVIDIA H200 is 10.0",
        ),
        (
            CURRENT,
            host(capability="7.0"),
            "torch 2.11.0 has kernels for compute capability 7.5 to 12.0, NVIDIA H200 is 7.0",
        ),
        (PAPERS, host(reused=torch_of("2.11.0")), "it needs torch 2.7.1, /opt/python has torch 2.11.0"),
        (
            PAPERS,
            host(reused=torch_of("2.11.0+cu130")),
            "it needs torch 2.7.1 for CUDA 12, /opt/python has torch 2.11.0+cu130",
        ),
        (
            CURRENT,
            host(reused=torch_of("2.11.0+cu128")),
            "it needs torch 2.11.0 for CUDA 13, /opt/python has torch 2.11.0+cu128",
        ),
        (
            CURRENT,
            host(reused=torch_of("2.11.0+cpu")),
            "it needs torch 2.11.0 for CUDA 13, /opt/python has torch 2.11.0+cpu",
        ),
        (PAPERS, host(reused=torch_of(None)), "it needs torch 2.7.1, /opt/python has none"),
        (
            CURRENT,
            host(reused=torch_of("2.11.0+cu130", "3.13")),
            "it needs Python 3.11 or 3.12, /opt/python is 3.13",
        ),
        (PAPERS, Host(None, None, (), "3.11"), "no NVIDIA GPU that a start may use"),
    ],
)
def test_what_does_not_fit_says_which_link_breaks(pin: Pin, where: Host, why: str) -> None:
    found = fit(pin, where)
    assert (found.fits, found.line) == (False, why)


@pytest.mark.parametrize(
    ("cuda", "capability"),
    [
        ("13.2", "9.0"),  # a driver of a later CUDA runs an older one's programs
        ("12.2", "9.0"),  # and one of the same major version
        ("12.8", "9.1"),  # code of a GPU runs on later ones of its major version
        ("12.8", None),  # what is not told speaks against nothing
    ],
)
def test_drivers_and_gpus_that_are_newer_within_their_major_version_fit(cuda: str, capability: str | None) -> None:
    assert fit(PAPERS, host(cuda, capability)).fits


@pytest.mark.parametrize("version", ["2.11.0", "2.11.0+cu130", "2.11.0+cu132", "2.11.0+nv25.9", "2.11.0+cu"])
def test_a_torch_of_the_pins_cuda_or_of_whoever_does_not_tell_fits(version: str) -> None:
    assert fit(CURRENT, host(reused=torch_of(version))).fits


@pytest.mark.parametrize("version", ["2.0", "2.0+cpu", "2.0+cu118"])
def test_a_build_for_another_device_is_told_of_cuda_pins_alone(version: str) -> None:
    cpu = load_pin(DEFAULT_CPU_PIN)
    assert not is_other_build(cpu, version)
    assert is_other_build(PAPERS, version) == (version != "2.0")
    unknown = PAPERS.model_copy(update={"cuda": None})
    assert is_other_build(unknown, version) == (version == "2.0+cpu")


def test_every_visible_gpu_must_fit() -> None:
    both = Host("580.65", "13.0", (("NVIDIA H200", "9.0"), ("NVIDIA B200", "10.0")), "3.11")
    assert not fit(PAPERS, both).fits
    assert fit(CURRENT, both).fits


@given(
    cuda=st.tuples(st.integers(11, 14), st.integers(0, 9)), capability=st.tuples(st.integers(5, 12), st.integers(0, 9))
)
def test_a_pin_that_is_chosen_fits_and_the_papers_is_never_passed_over(
    cuda: tuple[int, int], capability: tuple[int, int]
) -> None:
    where = host(".".join(map(str, cuda)), ".".join(map(str, capability)))
    fits = [fit(pin, where) for pin in (CURRENT, PAPERS)]
    chosen = choose(fits)
    assert (chosen is None) == (not any(each.fits for each in fits))
    if chosen is not None:
        assert chosen.fits
        assert chosen.pin is PAPERS or not fit(PAPERS, where).fits


@pytest.mark.usefixtures("pins")
@pytest.mark.parametrize(
    ("cuda", "capability", "name"),
    [
        ("13.0", "9.0", PAPERS.name),
        ("13.0", "10.0", CURRENT.name),
        ("12.8", "10.0", DEFAULT_CPU_PIN),
        (None, None, DEFAULT_CPU_PIN),
    ],
)
def test_the_default_is_the_papers_pin_then_the_newest_that_fits_then_the_cpu_pin(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, capability: str | None, name: str
) -> None:
    machine(monkeypatch, cuda, capability)
    assert default.default_pin() == name
    note = note_on_default()
    assert (note is None) == (cuda is None or name == PAPERS.name)
    if note is not None:
        assert note.startswith(f"engine {name}: ")
        assert f"{PAPERS.name}: torch 2.7.1 has kernels for compute capability 7.0 to 9.0" in note
        assert note.count(PAPERS.name) == 1


@pytest.mark.usefixtures("pins")
def test_a_named_engine_that_cannot_work_is_refused_with_the_reason_and_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, "13.0", "10.0")
    check_fit(CURRENT)
    check_fit(load_pin(DEFAULT_CPU_PIN))
    with pytest.raises(HarnessError, match=rf"{PAPERS.name} cannot run here: torch .* --engine {CURRENT.name}$"):
        check_fit(PAPERS)
    machine(monkeypatch, None)
    with pytest.raises(HarnessError, match=f"needs an NVIDIA GPU .*, found none; try --engine {DEFAULT_CPU_PIN}$"):
        check_fit(CURRENT)


def wheelhouse(monkeypatch: pytest.MonkeyPatch, *left_out: str, torch: str) -> None:
    """A wheelhouse of the current pin, on top of a Python with this torch."""
    excluded = {"torch": left_out} if left_out else {}
    house = Wheelhouse(CURRENT.name, "", None, "3.12", "manylinux_2_28_x86_64", "2.28", excluded, ())
    reused = ReusedPython(Path("/opt/python"), "3.12", (), {"torch": (torch, Path())})
    monkeypatch.setattr(default, "named_wheelhouse", lambda: house)
    monkeypatch.setattr(default, "source_of", lambda: Source(Path("wheels"), reused.python))
    monkeypatch.setattr(Source, "reused", property(lambda _: reused))


@pytest.mark.usefixtures("pins")
def test_a_wheelhouse_decides_for_its_pin_which_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "13.0")
    wheelhouse(monkeypatch, "torch==2.11.0", torch="2.11.0+cu130")
    assert (default.default_pin(), note_on_default()) == (CURRENT.name, None)
    check_fit(CURRENT)
    with pytest.raises(
        HarnessError, match=f"{PAPERS.name} cannot run here: it needs torch 2.7.1 for CUDA 12, /opt/python"
    ):
        check_fit(PAPERS)
    machine(monkeypatch, "12.8")
    with pytest.raises(HarnessError, match=f"^engine {CURRENT.name} cannot run here: driver .*; see .* doctor"):
        check_fit(CURRENT)


@pytest.mark.usefixtures("pins")
def test_the_torch_of_a_reused_python_does_not_matter_where_the_wheelhouse_brings_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, "13.0")
    wheelhouse(monkeypatch, torch="2.7.1")
    check_fit(CURRENT)


@pytest.mark.usefixtures("pins")
@pytest.mark.parametrize(
    ("there", "name"),
    [
        ((), PAPERS.name),
        ((PAPERS.name,), PAPERS.name),
        ((PAPERS.name, CURRENT.name), PAPERS.name),
        ((CURRENT.name,), CURRENT.name),
    ],
)
def test_of_pins_that_fit_one_that_is_installed_comes_first_and_the_papers_of_equals(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], name: str
) -> None:
    machine(monkeypatch, "13.0")
    installed(monkeypatch, *there)
    note = f"engine {CURRENT.name}: it is installed and fits; {PAPERS.name} fits too, and is not installed"
    assert default.default_pin() == name
    assert (note_on_default() or "").startswith(note if name == CURRENT.name else "")
    assert (note_on_default() is None) == (name == PAPERS.name)


@pytest.mark.usefixtures("pins")
def test_one_that_is_installed_and_does_not_fit_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "12.8")
    installed(monkeypatch, CURRENT.name)
    assert (default.default_pin(), note_on_default()) == (PAPERS.name, None)


@pytest.mark.usefixtures("pins")
def test_one_from_a_wheelhouse_keeps_its_python_in_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "13.0")
    monkeypatch.setattr(default, "source_of", lambda: SimpleNamespace(version="3.13", reused=None))
    with pytest.raises(HarnessError, match=r"this is 3\.13"):
        check_fit(CURRENT)
    installed(monkeypatch, CURRENT.name, python="3.12")
    check_fit(CURRENT)
    assert default.default_pin() == CURRENT.name


def test_a_driver_without_its_cuda_fits_no_pin_and_says_what_to_do() -> None:
    found = fit(PAPERS, Host("580.65", None, (("NVIDIA H200", "9.0"),), "3.11"))
    assert not found.fits
    assert found.line == (
        "libcuda.so.1, the driver's CUDA, is not here (in a container: NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
    )
