"""The engine that this machine measures with unless another one is named, and whether a named one can work here."""

from dataclasses import dataclass, replace

from harness.engine import detect
from harness.engine.environment import engine_of
from harness.engine.gpu_parts import check_whole
from harness.engine.pin_fit import Fit, Host, Reused, choose, fit
from harness.engine.wheel_source import named_wheelhouse, source_of
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, Pin, load_pin, pin_names


@dataclass(frozen=True)
class Choice:
    """The engine of this machine, and why. ``usual``: the one that a machine with or without a GPU gets as a rule."""

    pin: str
    why: str
    usual: bool = True


def this_host() -> Host:
    """What of this machine decides which engine runs.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU here, or --reuse-python no Python.
    """
    visible = detect.visible_gpus()
    versions = detect.driver_versions() if visible else {}
    return Host(
        driver=versions.get("driver_version"),
        cuda=versions.get("cuda_version"),
        gpus=tuple((gpu["name"], detect.compute_capability(gpu["uuid"])) for gpu in visible),
        python=source_of().version,
        reused=_reused_torch(),
        unasked=None if visible else detect.unasked(),
    )


def _reused_torch() -> Reused | None:
    """The Python whose torch an engine gets; None: the engine brings its own."""
    reused, house = source_of().reused, named_wheelhouse()
    if reused is None or house is None or not any(each.startswith("torch==") for each in house.left_out):
        return None
    torch, _ = reused.packages.get("torch", (None, ()))
    return Reused(str(reused.python), reused.version, torch)


def fits_here(host: Host) -> list[Fit]:
    """Every CUDA pin, held against the host."""
    pins = [load_pin(name) for name in pin_names()]
    return [_fit(pin, host) for pin in pins if pin.device == "cuda"]


def _fit(pin: Pin, host: Host) -> Fit:
    """One that is installed already has its Python and torch, as the wheelhouse that it came from gave them."""
    engine = engine_of(pin)
    if named_wheelhouse() is None and engine.is_complete:
        host = replace(host, python=engine.python_version, reused=None)
    return fit(pin, host)


def choice(host: Host) -> Choice:
    """A named wheelhouse's pin; else the paper's CUDA pin if it fits, the newest CUDA pin that does, the CPU pin.

    Among CUDA pins that fit, those that are installed come first.
    """
    if house := named_wheelhouse():
        return Choice(house.pin, "the wheelhouse's")
    if host.unasked is not None:
        why = f"the driver of the NVIDIA GPU answers: {host.unasked}; see python3 harness doctor"
        return Choice(DEFAULT_CPU_PIN, why, usual=False)
    if not host.gpus:
        return Choice(DEFAULT_CPU_PIN, "no NVIDIA GPU that a start may use")
    fits = fits_here(host)
    first = choose(fits)
    chosen = choose([each for each in fits if engine_of(each.pin).is_complete]) or first
    if chosen is not None and first is not None and chosen is not first:
        why = f"it is installed and fits; {first.pin.name} fits too, and is not installed (--engine takes it)"
        return Choice(chosen.pin.name, why, usual=False)
    if chosen is not None and chosen.pin.name == DEFAULT_CUDA_PIN:
        return Choice(chosen.pin.name, "the paper's, and it fits")
    against = "; ".join(f"{each.pin.name}: {each.line}" for each in fits if not each.fits)
    if chosen is not None:
        return Choice(chosen.pin.name, f"the newest CUDA pin that fits ({against})", usual=False)
    return Choice(DEFAULT_CPU_PIN, f"no CUDA pin fits ({against})", usual=False)


def default_pin() -> str:
    """Name of the pin that ``choice`` gives for this machine."""
    return choice(this_host()).pin


def note_on_default() -> str | None:
    """What is to be said when this machine's own engine is taken: why it is not the paper's; None: nothing."""
    chosen = choice(this_host())
    return None if chosen.usual else f"engine {chosen.pin}: {chosen.why}"


def check_fit(pin: Pin) -> None:
    """Make sure that a start of this pin can work here, as far as that can be known before.

    Raises:
        HarnessError: no GPU, a driver that is too old, no kernels for this GPU; the wrong Python or torch; a split GPU.
    """
    if pin.device != "cuda":
        return
    host = this_host()
    if not host.gpus:
        raise HarnessError(
            f"engine {pin.name} needs an NVIDIA GPU and its driver, found none"
            f"{f' that can be asked (the driver answers: {host.unasked})' if host.unasked else ''}; "
            f"try --engine {DEFAULT_CPU_PIN}"
        )
    check_whole(detect.visible_gpus()[0])
    if not (found := _fit(pin, host)).fits:
        other = choice(host).pin
        what = f"try --engine {other}" if other != pin.name else "see python3 harness doctor"
        raise HarnessError(f"engine {pin.name} cannot run here: {found.line}; {what}")
