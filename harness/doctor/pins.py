"""Which pins this machine can run, link by link from the driver to vLLM, and which one it measures with."""

from collections.abc import Iterable

from harness.doctor.check import Check
from harness.engine.default_pin import Choice, fits_here
from harness.engine.pin_fit import Fit, Host


def pin_checks(host: Host, chosen: Choice) -> Iterable[Check]:
    """Every CUDA pin, and the chosen one."""
    yield from (_check(each) for each in fits_here(host))
    yield Check("chosen pin", "ok", f"{chosen.pin}: {chosen.why}", "an engine that fits driver and GPU")


def _check(fit: Fit) -> Check:
    pin = fit.pin
    cuda = [f"a driver for CUDA {pin.cuda}"] if pin.cuda else []
    kernels = [f"a GPU of compute capability {' to '.join(pin.compute_capability)}"] if pin.compute_capability else []
    needed = ", ".join([*cuda, *kernels, pin.torch.replace("==", " ")])
    return Check(f"pin {pin.name}", "ok" if fit.fits else "cannot", fit.line, needed)
