"""Words for what the driver tells of a GPU: quantities of ``gpu.csv``, and why its clocks are lower than they could be.

A sample's ``gpu`` is the place of the GPU in run.json's ``gpus``. Reasons are NVML's bits, added up to one number.
"""

UTILISATION = "utilisation_percent"  # share of the driver's last interval in which a kernel ran, however small
MEMORY_BUSY = "memory_busy_percent"  # share in which device memory was read or written
MEMORY_USED = "memory_used_bytes"
PCIE_RX, PCIE_TX = "pcie_rx_bytes_per_s", "pcie_tx_bytes_per_s"  # received and sent by the GPU
PCIE_GENERATION, PCIE_WIDTH = "pcie_generation", "pcie_width"
SM_CLOCK, MEMORY_CLOCK = "sm_clock_mhz", "memory_clock_mhz"
POWER = "power_w"
TEMPERATURE = "temperature_c"
CLOCK_REASONS = "clock_reasons"
QUANTITIES = (
    UTILISATION,
    MEMORY_BUSY,
    MEMORY_USED,
    PCIE_RX,
    PCIE_TX,
    PCIE_GENERATION,
    PCIE_WIDTH,
    SM_CLOCK,
    MEMORY_CLOCK,
    POWER,
    TEMPERATURE,
    CLOCK_REASONS,
)

# nvml.h, nvmlClocksEventReasons…: bit → words.
REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
# What takes speed from a GPU that has work; idle, and clocks that somebody set, are no throttling.
THROTTLING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x200 | 0x400
POWER_CAP = 0x4

Sample = tuple[float, int, str, float]  # seconds since exec, gpu, quantity, value: a row of gpu.csv


def reasons_of(bits: int) -> list[str]:
    """The words for these bits, lowest first; those that this version does not know by their number."""
    return [REASONS.get(bit, f"reason {bit:#x}") for bit in (1 << n for n in range(bits.bit_length())) if bits & bit]
