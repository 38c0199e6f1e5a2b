"""Which pin's hook table to try on a vllm that no pin names."""

from packaging.version import InvalidVersion, Version

from harness.errors import HarnessError
from harness.spec.pin import Pin, load_pin, pin_names

# A table of the other device costs as much as this many minor releases: the front end and the engine core are the same
# on both, and of the table of 0.10.1.1 for CUDA a twelfth is gone in 0.31.0, of that of 0.32.0 for CPU nothing.
OTHER_DEVICE = 5
FIRST = Version("0.2")  # setuptools-scm calls a checkout without tags 0.1.dev…


def nearest_pin(version: str, device: str) -> tuple[Pin, str]:
    """The pin nearest to a vllm, and why it is.

    Args:
        version: of the vllm, e.g. 0.33.0.dev123+gabc; any text.
        device: cpu or cuda.
    """
    pins = [load_pin(name) for name in pin_names()]
    if not pins:
        raise HarnessError("patches/: no pin is there; restore the folder from version control")
    try:
        wanted = Version(version)
    except InvalidVersion:
        wanted = Version("0")
    said = version
    if wanted < FIRST:  # a version that says nothing is a checkout, so it is new
        wanted = max(Version(pin.vllm_version) for pin in pins)
        said = f"{wanted}, the newest, since version '{version}' says nothing,"
    nearest = min(pins, key=lambda pin: (_distance(pin, wanted, device), pin.name))
    other = "" if nearest.device == device else f", although for {nearest.device}"
    return nearest, f"nearest to {said} on {device}{other}"


def _distance(pin: Pin, wanted: Version, device: str) -> tuple[int, int, int]:
    has = Version(pin.vllm_version)
    other = 0 if pin.device == device else OTHER_DEVICE
    if has.major == wanted.major:
        return 0, abs(has.minor - wanted.minor) + other, abs(has.micro - wanted.micro)
    # Minor releases count from 0 in every major one: of an older major, its last table is the nearest.
    newer = 1 if has.major < wanted.major else -1
    return abs(has.major - wanted.major), other - newer * has.minor, -newer * has.micro
