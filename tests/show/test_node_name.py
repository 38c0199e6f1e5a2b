"""A machine in a few words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.show.node_name import node_name


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (
            {"cpu_model": "AMD EPYC 9354 32-Core Processor", "cpus": [0, 1], "memory_bytes": 25276510208, "gpus": []},
            "2 cores (0–1) of AMD EPYC 9354, 24 GiB",
        ),
        (
            {"cpu_model": "Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "cpus": [3], "gpus": ["NVIDIA L40S"] * 2},
            "1 core (3) of Intel Xeon E5-2690 v4, 2× NVIDIA L40S",
        ),
        ({"cpu_model": "aarch64", "cpus": [0, 2, 4, 5], "gpus": ["A", "B"]}, "4 cores (0,2,4–5) of aarch64, A, B"),
        ({"cpu_model": "x", "gpus": ["A", "B", "B", "C"]}, "x, 2× B, A, …"),
        ({"cpus": [0]}, "1 core (0)"),
        ({}, "unknown machine"),
        ({"cpu_model": None, "cpus": None, "memory_bytes": None, "gpus": None}, "unknown machine"),
    ],
)
def test_a_node_is_named_by_what_a_start_may_use(node: dict[str, Any], name: str) -> None:
    assert node_name(node) == name


anything = st.none() | st.text() | st.integers() | st.lists(st.text() | st.integers() | st.none(), max_size=20)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("cpu_model", "cpus", "memory_bytes", "gpus"), anything)))
def test_whatever_a_record_says_the_name_fits_into_a_caption(node: dict[str, Any]) -> None:
    name = node_name(node)
    assert name
    assert name.isprintable()
    assert len(name) < 250
