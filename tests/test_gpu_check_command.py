"""``python3 harness gpu-check``: real processes of the harness, a fake engine, and a driver that is not there."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from harness.record.bundle import unpack
from harness.record.gpu_check import SUMMARY
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.checkout import Checkout, Done, add_fake_engine, make_checkout
from tests.measure.fake_engine import FakeEngine
from tests.nvml import Nvml, gpu

FIGURES = ("2", "8", "9", "13")
NOTES_THAT_IT_WAS_RUN = "from pathlib import Path\n\nPath(__file__).with_name('drawn').touch()\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    """A fake engine that wants a GPU, and the check's figures with one model that is only a configuration."""
    fake = add_fake_engine(make_checkout(tmp_path_factory.mktemp("gpu-check")))
    pin = fake.root / "patches" / "fake" / "pin.yaml"
    pin.write_text(yaml.safe_dump(yaml.safe_load(pin.read_text()) | {"device": "cuda"}))
    for number in FIGURES:
        folder = fake.workspace.figure(number)
        figure = load_figure(number, Workspace(fake.root)).model_dump(mode="json")
        figure |= {"models": ["tiny"], "iterations": 1, "timeout_s": 20.0, "parameters_on": {}, "parameters_of": {}}
        figure["smoke"] |= {"models": None}
        (folder / "figure.yaml").write_text(yaml.safe_dump(figure, sort_keys=False))
        (folder / "plot.py").write_text(NOTES_THAT_IT_WAS_RUN)
    path = fake.root / "experiments" / "gpu_check" / "check.yaml"
    check = yaml.safe_load(path.read_text())
    stages = [check["figure2"], check["figure8"], check["figure9"], check["storage"]["ram"], check["storage"]["ssd"]]
    for stage in stages:
        stage |= {"models": ["tiny"], "iterations": 1}
    path.write_text(yaml.safe_dump(check))
    return fake


@pytest.fixture
def fake(installed: FakeEngine, nvml: Nvml) -> FakeEngine:
    """Nothing is measured yet, and there is a GPU."""
    for path in (installed.workspace.runs, installed.workspace.caches):
        shutil.rmtree(path, ignore_errors=True)
    for path in installed.root.glob("figures/*/*[0-9]/manifest.json"):
        shutil.rmtree(path.parent)
    for path in installed.root.glob("*.zip"):
        path.unlink()
    (installed.engine.site_packages / "journal.jsonl").unlink(missing_ok=True)
    installed.behave("ok")
    nvml.add(gpu(0))
    return installed


def check(fake: FakeEngine, nvml: Nvml, *arguments: str, **variables: str) -> Done:
    checkout = Checkout(fake.root)
    command = (".venv/bin/python", "-m", "harness", "gpu-check", "--engine", "fake", *arguments)
    return checkout.run(*command, env=checkout.environment(**nvml.environment, **variables))


def test_a_stage_makes_the_starts_that_are_declared_and_repeated_none_again(fake: FakeEngine, nvml: Nvml) -> None:
    done = check(fake, nvml, "--stage", "figure2", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out.splitlines()[-1])
    assert [(start["figure"], start["kind"], start["counts"]) for start in said["starts"]] == [
        ("2", "warmup", True),
        ("2", "measured", True),
    ]
    assert [each["name"] for each in said["gpus"]] == ["NVIDIA H200"]
    assert said["missing"] == ["figure8", "figure9", "storage"]
    numbers = {each["name"]: each for each in said["numbers"]}
    assert numbers["unattributed"]["value"] is not None
    assert numbers["graph capture"]["met"] is None
    assert check(fake, nvml, "--stage", "figure2").code == 0
    assert len(fake.starts()) == 2


def test_figure_9_is_measured_with_three_numbers_of_sizes(fake: FakeEngine, nvml: Nvml) -> None:
    done = check(fake, nvml, "--stage", "figure9", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out.splitlines()[-1])
    assert sorted({start["captured_sizes"] for start in said["starts"]}) == [3, 30, 60]


def test_what_is_packed_holds_the_slots_and_the_summary_and_is_never_overwritten(fake: FakeEngine, nvml: Nvml) -> None:
    assert check(fake, nvml, "--stage", "figure2", "--stage", "pack", "--dest", "packed.zip").code == 0
    path = fake.root / "packed.zip"
    before = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["figure-2.zip", SUMMARY]
        bundle = unpack(archive.read("figure-2.zip"))
        summary = archive.read(SUMMARY).decode()
    assert (bundle.figure, list(bundle.slots)) == ("2", ["node0"])
    assert json.loads(summary)["device"] == "cuda"
    assert str(fake.root) not in summary
    again = check(fake, nvml, "--stage", "pack", "--dest", "packed.zip")
    assert again.code == 2
    assert (
        again.err.splitlines()[-1] == "error: packed.zip: is there already; move it away, or name another: --dest FILE"
    )
    assert path.read_bytes() == before
    for _ in range(2):
        assert check(fake, nvml, "--stage", "pack").code == 0
    assert len(list(fake.root.glob("gpu-check_fake_node-*.zip"))) == 2


def test_a_stage_that_fails_is_told_and_the_later_ones_are_made(fake: FakeEngine, nvml: Nvml) -> None:
    fake.behave("crash")
    assert check(fake, nvml, "--stage", "figure2").code == 1
    attempts = len(fake.starts())
    shutil.rmtree(fake.workspace.runs)
    fake.behave(*["crash"] * attempts, "ok")
    done = check(fake, nvml, "--stage", "figure2", "--stage", "figure9", "--json")
    assert done.code == 1
    said = json.loads(done.out.splitlines()[-1])
    assert said["missing"] == ["figure2", "figure8", "storage"]
    failed = next(start for start in said["starts"] if start["figure"] == "2")
    assert failed["status"] != "ok"
    assert failed["reason"]


def test_copies_that_cannot_be_timed_leave_no_record_and_lose_no_start(fake: FakeEngine, nvml: Nvml) -> None:
    done = check(fake, nvml, "--stage", "storage", "--json")  # the fake engine's torch cannot copy
    assert done.code == 1
    assert "timing copies to the device failed" in done.err
    said = json.loads(done.out.splitlines()[-1])
    assert said["transfers"] is None
    assert "storage" in said["missing"]
    assert {start["slot"] for start in said["starts"]} == {"case0", "case1"}
    assert all(start["counts"] for start in said["starts"])
    assert [each for each in said["problems"] if "timing copies" in each]
    assert not list(fake.workspace.runs.glob("*/gpu_check/*/*/h2d.json"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--stage", "figure7"), "no stage 'figure7'; stages: install, figure2, figure8, figure9, storage, pack"),
        (("--stage", "pack"), "no starts of fake on this machine to pack; measure: --stage figure2"),
    ],
)
def test_wrong_use_is_one_line(fake: FakeEngine, nvml: Nvml, arguments: tuple[str, ...], complaint: str) -> None:
    done = check(fake, nvml, *arguments)
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: {complaint}"
    assert not list(Path(fake.root).glob("*.zip"))


def test_an_engine_for_a_gpu_is_refused_where_there_is_none(fake: FakeEngine, nvml: Nvml) -> None:
    done = check(fake, nvml, CUDA_VISIBLE_DEVICES="")
    assert done.code == 2
    assert "engine fake needs an NVIDIA GPU" in done.error
    assert fake.starts() == []


def test_an_engine_can_be_installed_and_its_hooks_looked_up_before_there_is_a_gpu(fake: FakeEngine, nvml: Nvml) -> None:
    done = check(fake, nvml, "--stage", "install", "--json", CUDA_VISIBLE_DEVICES="")
    assert done.code == 0, done.err
    assert "engine fake: installed, patched" in done.err
    said = json.loads(done.out.splitlines()[-1])
    assert (said["problems"], said["starts"]) == ([], [])
