"""Which engines a figure over all versions measures: the patched pins, the usual releases, or what was asked for."""

from collections.abc import Sequence

from packaging.version import Version

from harness.errors import HarnessError
from harness.spec.pin import Pin, load_pin, pin_names, release_names

SMOKE_VERSIONS = 3


def pins_like(pin: Pin, versions: Sequence[str] = (), smoke: bool = False) -> list[Pin]:
    """One engine for each version, for the device of ``pin``, from the oldest version to the newest.

    Where a version has a patched pin, that is its engine. ``versions``: of these (or of pins by name) instead of all
    that are not on request only. ``smoke``: at most three, the patched pins and then the newest.

    Raises:
        HarnessError: there is no such version for this device (lists the known ones).
    """
    known = {each.vllm_version: each for each in _pins(release_names(), pin.device)}
    known |= {each.vllm_version: each for each in _pins(pin_names(), pin.device)}
    in_order = sorted(known.values(), key=lambda each: Version(each.vllm_version))
    if versions:
        for name in versions:
            if not any(name in (each.vllm_version, each.name) for each in in_order):
                listed = ", ".join(each.vllm_version for each in in_order)
                raise HarnessError(f"unknown version '{name}' for {pin.device}; known: {listed}")
        return [each for each in in_order if each.vllm_version in versions or each.name in versions]
    usual = [each for each in in_order if not each.on_request]
    if smoke:
        first = sorted(usual, key=lambda each: (each.traced, Version(each.vllm_version)), reverse=True)
        usual = [each for each in usual if each in first[:SMOKE_VERSIONS]]
    return usual


def _pins(names: Sequence[str], device: str) -> list[Pin]:
    return [pin for pin in map(load_pin, names) if pin.device == device]
