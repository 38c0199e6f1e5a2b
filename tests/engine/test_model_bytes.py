"""``models.yaml`` against the paper's logs: weight bytes of each full-width architecture, counted without weights."""

from pathlib import Path

import pytest

from harness.engine.model_bytes import WeightBytes, weight_bytes
from harness.errors import HarnessError
from harness.spec.models import Model, find_model, load_models
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import ROOT

ENGINE_PYTHON = ROOT / "engines" / DEFAULT_CPU_PIN / "bin" / "python"
LOGGED = {name: model for name, model in load_models().models.items() if model.loaded_gib is not None}
TOLERANCE = 0.02
# Small enough that what is no weight counts: the rotary table and what PyTorch's allocator does not split.
MORE_THAN_WEIGHTS = {"qwen-0.5b"}
MIB = 2**20

needs_engine = [
    pytest.mark.engine,
    pytest.mark.skipif(not ENGINE_PYTHON.exists(), reason=f"no engine at {ENGINE_PYTHON.relative_to(ROOT)}"),
]


class CudaAllocator:
    """PyTorch's caching allocator, as far as it decides how many bytes count as allocated.

    Source: torch 2.7, c10/cuda/CUDACachingAllocator.cpp. A request takes the smallest free block that holds it; the
    rest of a block above 1 MiB is given back only if it is itself larger than 1 MiB, else it counts as allocated.
    """

    def __init__(self) -> None:
        self.free: dict[bool, list[int]] = {False: [], True: []}
        self.allocated = 0

    def allocate(self, elements: int) -> None:
        size = -(-2 * elements // 512) * 512
        large = size > MIB
        block = min((free for free in self.free[large] if free >= size), default=0)
        if block:
            self.free[large].remove(block)
        elif large:
            block = 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB
        else:
            block = 2 * MIB
        if block - size > (MIB if large else 0):
            self.free[large].append(block - size)
            block = size
        self.allocated += block


def allocated_gib(model: Model) -> float:
    """GiB that vLLM has allocated after loading a Qwen2 model: its joined matrices, and one table of rotations."""
    config = model.config
    width, head = config.width, config.width // config.heads
    attention = (config.heads + 2 * config.key_value_heads) * head
    allocator = CudaAllocator()
    allocator.allocate(config.vocab_size * width)
    for layer in range(config.layers):
        allocator.allocate(attention * width)
        allocator.allocate(attention)
        allocator.allocate(config.heads * head * width)
        if layer == 0:
            allocator.allocate((config.context_length or 0) * head)
        for elements in (2 * config.ffn_width * width, config.ffn_width * width, width, width):
            allocator.allocate(elements)
    allocator.allocate(width)
    if not config.as_dict()["tie_word_embeddings"]:
        allocator.allocate(config.vocab_size * width)
    return allocator.allocated / 2**30


@pytest.fixture(scope="module")
def counted() -> dict[str, WeightBytes]:
    return weight_bytes(load_models().models, ENGINE_PYTHON)


class TestOnTheMetaDevice:
    pytestmark = needs_engine

    @pytest.mark.parametrize("name", sorted(load_models().models))
    def test_the_full_width_architecture_has_the_stated_checkpoint_bytes(
        self, counted: dict[str, WeightBytes], name: str
    ):
        assert counted[name].published == find_model(name).checkpoint.tensor_bytes

    @pytest.mark.parametrize("name", sorted(LOGGED))
    def test_its_weights_are_what_the_recorded_log_says_was_loaded_within_two_percent(
        self, counted: dict[str, WeightBytes], name: str
    ):
        gib = LOGGED[name].loaded_gib
        assert gib is not None
        # Only upwards: everything that is no weight adds to what was loaded. The log rounds to 0.0001 GiB.
        excess = gib * 2**30 / counted[name].loaded - 1
        assert excess > -0.0001
        assert (excess > TOLERANCE) == (name in MORE_THAN_WEIGHTS)


@pytest.mark.parametrize(
    "name", ["qwen-0.5b", "qwen-1.8b", "qwen-4b", "qwen-7b", "qwen-14b", "deepseek-r1-distill-qwen-7b"]
)
def test_what_is_loaded_beyond_the_weights_is_the_rotary_table_and_what_the_allocator_does_not_split(name: str):
    assert allocated_gib(LOGGED[name]) == pytest.approx(LOGGED[name].loaded_gib, rel=0.002)


def test_an_engine_that_cannot_count_is_answered_in_one_line(tmp_path: Path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no torch' >&2\nexit 1\n")
    with pytest.raises(HarnessError, match=r"counting weights under .* failed"):
        weight_bytes(LOGGED, python)
    python.chmod(0o755)
    with pytest.raises(HarnessError, match=r"counting weights failed \(exit 1, .*\): ModuleNotFoundError: no torch"):
        weight_bytes(LOGGED, python)
