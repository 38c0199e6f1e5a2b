"""The values of a structural twin's tensors: seeded, and the same bytes on every machine."""

import hashlib
import statistics

import numpy as np
import numpy.typing as npt
import torch

QUANTILES = 1 << 16  # a weight is one of this many equally likely values of the normal distribution


def normal_quantiles(std: float) -> npt.NDArray[np.int16]:
    """The middle values of QUANTILES equally likely slices of N(0, std²), as the 16 bits of a bfloat16."""
    normal = statistics.NormalDist(0.0, std)
    values = [normal.inv_cdf((index + 0.5) / QUANTILES) for index in range(QUANTILES)]
    bits: npt.NDArray[np.int16] = torch.tensor(values).to(torch.bfloat16).view(torch.int16).numpy()
    return bits


def make_tensor(name: str, shape: tuple[int, ...], seed: int, quantiles: npt.NDArray[np.int16]) -> torch.Tensor:
    """The bfloat16 tensor called ``name``, by what it is; what is no matrix, norm or bias has its class's own start.

    Raises:
        ValueError: a vector of no known kind; it needs a rule of its own, not a guess.
    """
    kind = name.rpartition(".")[2]
    if kind == "dt_bias":  # Mamba: the step before softplus
        return torch.ones(shape, dtype=torch.bfloat16)
    if kind.endswith("bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    if len(shape) >= 2 or kind == "sinks":
        return _drawn(name, shape, seed, quantiles)
    if kind == "D" or is_norm(name):
        return torch.ones(shape, dtype=torch.bfloat16)
    if kind == "A_log":  # Mamba: the logarithm of each head's decay; computed in double, so that all round alike
        decays = torch.arange(1, shape[0] + 1, dtype=torch.float64)
        return torch.log(decays).to(torch.bfloat16)
    raise ValueError(f"no rule for the values of tensor '{name}' of shape {shape}")


def is_norm(name: str) -> bool:
    """Whether the vector ``name`` is the weight of a normalisation, by the names that architectures give them."""
    parts = name.split(".")
    return parts[-1] == "weight" and len(parts) > 1 and ("norm" in parts[-2] or parts[-2].startswith("ln_"))


def _drawn(name: str, shape: tuple[int, ...], seed: int, quantiles: npt.NDArray[np.int16]) -> torch.Tensor:
    """Values from ``quantiles``; each tensor has its own generator, keyed by seed and name.

    So none depends on the order of making. Only the raw bits of Philox are used: numpy promises them for ever, which it
    does not for its distributions.
    """
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
    count = int(np.prod(shape))
    bits = np.random.Philox(key=key).random_raw((count + 3) // 4).astype("<u8").view("<u2")[:count]
    return torch.from_numpy(quantiles[bits]).view(torch.bfloat16).reshape(shape)
