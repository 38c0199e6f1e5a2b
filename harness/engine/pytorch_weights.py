"""Weights in PyTorch's own format (``pytorch_model*.bin``), which some models are published in only (OPT).

Such a file is a zip archive: ``data.pkl`` names the tensors, each ``…/data/N`` holds the bytes of one. It is never
unpickled here. Source: torch/csrc/jit/serialization (format of PyTorch 1.6 and later).
"""

import zipfile
from pathlib import Path

from harness.errors import HarnessError

PATTERN = "pytorch_model*.bin"
INDEX = "pytorch_model.bin.index.json"


def tensor_bytes(path: Path) -> int:
    """Bytes of the tensors of one file.

    Raises:
        HarnessError: it cannot be read, is cut off, or of an older format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist() if entry.filename.split("/")[-2:-1] == ["data"])
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise HarnessError(
            f"{path}: not a complete file of PyTorch 1.6 or later (it is no zip archive); place or download it again"
        ) from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or error}") from None
