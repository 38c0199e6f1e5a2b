"""Choosing the hook table for a vllm that no pin names."""

from pathlib import Path

import pytest
from fake_environment import declare_pin
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.nearest_pin import nearest_pin
from harness.errors import HarnessError
from harness.spec import pin as pins
from harness.spec.pin import Pin, load_pin, pin_names


@pytest.fixture
def four_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "PATCHES", tmp_path)
    for version, device in [("0.10.1.1", "cuda"), ("0.30.0", "cuda"), ("0.32.0", "cpu"), ("1.2.0", "cpu")]:
        pin = Pin(
            name=f"{version}-{device}",
            distribution="vllm",
            version=version,
            vllm_version=version,
            device=device,  # type: ignore[arg-type]
            python=("3.11",),
            torch="torch",
            environment={},
            files={},
        )
        declare_pin(tmp_path, pin, {})


@pytest.mark.usefixtures("four_pins")
@pytest.mark.parametrize(
    ("version", "device", "chosen"),
    [
        ("0.31.0", "cpu", "0.32.0-cpu"),
        ("0.31.0", "cuda", "0.30.0-cuda"),
        ("0.33.0.dev123+gabc", "cpu", "0.32.0-cpu"),
        ("0.33.0rc1", "cuda", "0.30.0-cuda"),
        ("0.40.0", "cuda", "0.30.0-cuda"),
        ("0.10.2", "cuda", "0.10.1.1-cuda"),
        ("0.12.0", "cpu", "0.10.1.1-cuda"),  # a table of the other device, but of nearly the same release
        ("0.29.0", "cpu", "0.32.0-cpu"),
        ("1.0.0", "cuda", "1.2.0-cpu"),  # a major release apart is further than the device
        ("0.1.dev1+gabc", "cpu", "1.2.0-cpu"),  # a checkout without tags
        ("dev", "cuda", "1.2.0-cpu"),
        ("2.0.0", "cuda", "1.2.0-cpu"),
    ],
)
def test_the_nearest_pin_is_that_of_the_nearest_release_and_device(version: str, device: str, chosen: str) -> None:
    pin, why = nearest_pin(version, device)
    assert pin.name == chosen
    assert version in why
    assert ("although" in why) == (pin.device != device)


@pytest.mark.parametrize("version", ["1.0.0", "1.30.0", "2.0.0", "0.1.dev1", "0.1.dev1+gabc", "dev", ""])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_new_vllm_and_one_that_does_not_say_its_version_get_a_new_table(version: str, device: str) -> None:
    assert nearest_pin(version, device)[0].name == "vllm-0.32.0-cpu"


@given(st.sampled_from(pin_names()), st.sampled_from(["", "+cpu", ".dev7+gabc", "rc1"]))
def test_the_nearest_pin_of_a_pins_own_version_is_that_pin(name: str, suffix: str) -> None:
    pin = load_pin(name)
    assert nearest_pin(pin.vllm_version + suffix, pin.device)[0] == pin


def test_without_any_pin_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "PATCHES", tmp_path)
    with pytest.raises(HarnessError, match="no pin is there"):
        nearest_pin("0.31.0", "cpu")
