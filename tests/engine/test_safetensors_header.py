import contextlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors_bytes import WIDTH, safetensors

from harness.engine.safetensors_header import TensorSizes, checkpoint_sizes, weight_files
from harness.errors import HarnessError

tensors = st.dictionaries(
    st.text(alphabet="abc.", min_size=1, max_size=6),
    st.tuples(st.sampled_from(sorted(WIDTH)), st.lists(st.integers(0, 4), max_size=3)),
    max_size=5,
)


@given(tensors)
def test_bytes_and_elements_of_all_tensors_are_summed(tmp_path_factory: pytest.TempPathFactory, tensors):
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    elements = [math.prod(shape) for _, shape in tensors.values()]
    width = [WIDTH[dtype] for dtype, _ in tensors.values()]
    expected = TensorSizes(sum(n * w for n, w in zip(elements, width, strict=True)), sum(elements))
    assert checkpoint_sizes(folder) == expected


def test_a_packed_byte_counts_as_two_parameters_and_a_byte_of_scales_as_one(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(
        safetensors({"mlp.down_proj_blocks": ("U8", [2, 16]), "mlp.down_proj_scales": ("U8", [2])})
    )
    assert checkpoint_sizes(tmp_path) == TensorSizes(tensor_bytes=34, parameters=66)


def test_weights_that_the_index_does_not_name_are_not_counted(tmp_path: Path):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in (*shards, "consolidated.safetensors"):
        (tmp_path / name).write_bytes(safetensors({"a": ("BF16", [8])}))
    assert checkpoint_sizes(tmp_path).parameters == 24
    index = {"weight_map": dict(zip(("a", "b"), shards, strict=True))}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == shards
    assert checkpoint_sizes(tmp_path) == TensorSizes(tensor_bytes=32, parameters=16)


whole = safetensors({"a": ("BF16", [8]), "b": ("F32", [2])})


def with_header(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"weights",
        whole[:-1],
        whole[:40],
        (1 << 62).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"\xff{}}",
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        with_header([]),
        with_header({"a": 3}),
        with_header({"a": {"dtype": "U8", "shape": "88", "data_offsets": [0, 8]}}),
        with_header({"a": {"dtype": "U8", "shape": [-8], "data_offsets": [0, 8]}}),
        with_header({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 9]}}),
        with_header({"a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 0]}}),
        with_header({"a": {"dtype": "U8", "shape": [8]}}),
    ],
)
def test_a_damaged_or_cut_off_file_is_one_line_that_names_it(tmp_path: Path, content: bytes):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(HarnessError, match="not a complete safetensors file") as caught:
        checkpoint_sizes(tmp_path)
    assert str(tmp_path / "model.safetensors") in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60))
def test_no_content_whatever_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.safetensors").write_bytes(content)
    with contextlib.suppress(HarnessError):
        assert checkpoint_sizes(folder).tensor_bytes == 0


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "absent"}}'])
def test_a_damaged_index_is_refused(tmp_path: Path, index: str):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(HarnessError, match=r"absent|no index of shards"):
        checkpoint_sizes(tmp_path)
