"""Offload to host memory that no replay can have is refused in one line, before an engine is started."""

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.measure.replay_job import check_parameters
from harness.record.replay import Parameters

SWAP = {"cpu_blocks": 2000, "block_bytes": 589_824, "bandwidth_bytes_s": 25e9, "lazy": False}
GOOD = Parameters(loop="stock", num_blocks=200, offload=SWAP)


def test_offload_goes_with_head_room_and_a_scheduler_of_ones_own() -> None:
    check_parameters(GOOD)
    check_parameters(replace(GOOD, headroom={"policy": "naive", "factor": 2.0}))
    check_parameters(replace(GOOD, scheduler_cls="a.b:C", offload=SWAP | {"lazy": True, "cpu_blocks": 2}))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"loop": "fast"}, "only vLLM's own step loop"),
        ({"prefix_caching": False}, "leave --no-prefix-caching out"),
        ({"policy": "lfu"}, "--policy lfu: offload"),
        ({"offload": SWAP | {"cpu_blocks": 1}}, "cpu_blocks must be a whole number from 2 (got 1)"),
        ({"offload": SWAP | {"cpu_blocks": 2.5}}, "cpu_blocks must be a whole number from 2 (got 2.5)"),
        ({"offload": SWAP | {"block_bytes": 0}}, "block_bytes must be a whole number from 1 (got 0)"),
        ({"offload": SWAP | {"bandwidth_bytes_s": 0}}, "bandwidth_bytes_s must be a number above 0 (got 0)"),
        ({"offload": SWAP | {"bandwidth_bytes_s": float("nan")}}, "bandwidth_bytes_s must be a number above 0"),
        ({"offload": SWAP | {"lazy": 1}}, "lazy must be true or false (got 1)"),
        ({"offload": {"cpu_blocks": 5}}, "offload takes cpu_blocks, block_bytes, bandwidth_bytes_s, lazy"),
        ({"offload": SWAP | {"disk": 1}}, "offload takes cpu_blocks, block_bytes, bandwidth_bytes_s, lazy"),
    ],
)
def test_what_cannot_be_is_one_line(more: dict[str, Any], said: str) -> None:
    with pytest.raises(HarnessError) as error:
        check_parameters(replace(GOOD, **more))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
