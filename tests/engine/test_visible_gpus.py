"""CUDA_VISIBLE_DEVICES chooses GPUs as CUDA reads it, and the engine gets the same GPUs."""

import pynvml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engine.default_pin import default_pin
from harness.engine.detect import DriverError, device_variables, gpus, visible_gpus
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN
from tests.nvml import Error, Nvml, gpu, mig, uuid_of

UUIDS = ("GPU-8932f937-d72c", "GPU-8932f000-1111", "GPU-47b1c0de-2222")
MIG = "MIG-377e0049-554c"


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that knows three GPUs, and a part of one by its id only."""

    def by_uuid(uuid: str) -> str:
        if uuid != MIG:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(UUIDS))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: UUIDS[index])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", by_uuid)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: f"name of {handle}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def chosen() -> list[str]:
    return [gpu["uuid"] for gpu in visible_gpus()]


@pytest.mark.usefixtures("three")
def test_unset_means_all() -> None:
    assert visible_gpus() == gpus()
    assert device_variables() == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("GPU-47", [2]),
        ("GPU-8932f9,2", [0, 2]),
        (UUIDS[1], [1]),
        ("1,-1,2", [1]),
        ("-1", []),
        ("NoDevFiles", []),
        ("", []),
        (" ", []),
    ],
)
def test_indices_and_uuids_choose_in_their_order(
    monkeypatch: pytest.MonkeyPatch, value: str, indices: list[int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert chosen() == [UUIDS[index] for index in indices]
    assert device_variables()["CUDA_VISIBLE_DEVICES"] == ",".join(map(str, indices))


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("3", "'3' names no GPU"),
        ("9" * 5000, "names no GPU"),
        ("0,x", "'x' names no GPU"),
        ("0,,1", "'' names no GPU"),
        ("GPU-8932", "'GPU-8932' names more than one GPU"),
        ("GPU-77", "names no GPU"),
        ("8932f937", "names no GPU"),
        ("1,GPU-8932f0", "names GPU-8932f000-1111 twice"),
    ],
)
def test_an_entry_that_names_no_gpu_is_one_line_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with pytest.raises(HarnessError) as caught:
        visible_gpus()
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    if "twice" not in complaint:
        assert str(caught.value).endswith(", ".join(f"{index} ({uuid})" for index, uuid in enumerate(UUIDS)))


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("mig", "name"), [(MIG, f"name of {MIG}"), ("MIG-GPU-47/1/0", "part of a GPU (MIG)")])
def test_a_mig_id_stays_as_it_is_even_where_nvml_cannot_list_it(
    monkeypatch: pytest.MonkeyPatch, mig: str, name: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mig)
    assert visible_gpus() == [{"uuid": mig, "name": name}]
    assert device_variables()["CUDA_VISIBLE_DEVICES"] == mig


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@pytest.mark.usefixtures("three")
@given(value=st.text(alphabet="0123-GPUMIG8932f,. x", max_size=12))
def test_the_engine_gets_the_gpus_that_the_record_names_or_the_value_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    try:
        named = chosen()
    except HarnessError:
        return
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", device_variables()["CUDA_VISIBLE_DEVICES"])
    assert chosen() == named


def test_without_gpus_the_variable_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert (visible_gpus(), device_variables(), default_pin()) == ([], {}, DEFAULT_CPU_PIN)


def test_a_part_of_a_gpu_has_its_parent_and_profile(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), mig(0, 1, MIG, profile="1g.18gb"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", MIG)
    about = {"parent_uuid": uuid_of(0), "profile": "1g.18gb"}
    assert visible_gpus() == [{"uuid": MIG, "name": "NVIDIA H200 MIG 1g.18gb", **about}]
    assert device_variables() == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": MIG}


def test_a_lost_gpu_is_one_line_and_starts_may_use_the_others(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1), gpu(2))
    nvml.lose("1")
    for chosen in (None, "1", "0,1"):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if chosen:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        for ask in (visible_gpus, device_variables, default_pin):
            with pytest.raises(DriverError, match=r"^GPU 1: the NVIDIA driver answers: GPU is lost; [^\n]*$"):
                ask()
    for others, uuids in (("2,0", [uuid_of(2), uuid_of(0)]), (uuid_of(2), [uuid_of(2)]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", others)
        assert [each["uuid"] for each in visible_gpus()] == uuids
    assert device_variables()["CUDA_VISIBLE_DEVICES"] == ""
    assert default_pin() == DEFAULT_CPU_PIN
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-7")
    with pytest.raises(HarnessError, match=r"it has 0 \(GPU-0.*\), 1 \(not told\), 2 \("):
        visible_gpus()


def test_a_driver_that_cannot_count_its_gpus_is_one_line(nvml: Nvml) -> None:
    nvml.say("nvmlDeviceGetCount_v2", Error(pynvml.NVML_ERROR_UNKNOWN))
    with pytest.raises(DriverError, match="does not count its GPUs: Unknown Error"):
        gpus()


def test_a_driver_that_may_not_be_asked_is_none(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.fail(pynvml.NVML_ERROR_NO_PERMISSION)
    assert (gpus(), visible_gpus(), device_variables()) == ([], [], {})
