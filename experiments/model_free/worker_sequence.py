"""A request of the fast loop: what vLLM's KVCacheManager reads of one, and where it stands."""

from operator import attrgetter

from vllm.v1.core.kv_cache_utils import BlockHash
from vllm.v1.request import RequestStatus

from experiments.model_free.worker_headroom import Occupant
from experiments.model_free.worker_recorder import RequestRecord


class Sequence:
    """One request. While it decodes, its counters stand as of step ``decode_from``; ``settle`` brings them up."""

    # What KVCacheManager and its parts ask of a request of text, beside what __init__ sets.
    num_in_flight_tokens = 0
    skip_reading_prefix_cache = False
    shared_prefix_boundary = 0
    lora_request = None
    cache_salt = None
    session_id = None
    prompt_embeds = None
    replay_start = 0
    kv_cache_report_mode = "incremental"
    mm_features: tuple[()] = ()
    all_token_ids: tuple[()] = ()

    def __init__(self, record: RequestRecord) -> None:
        row = record.row
        self.record = record
        self.request_id = row.request_id
        self.block_hashes: list[BlockHash] = row.hashes
        self.num_prompt_tokens = self.num_tokens = row.prompt_tokens
        self.num_computed_tokens = 0
        self.num_preemptions = 0
        self.status = RequestStatus.WAITING
        self.output_tokens = row.output_tokens
        self.sampled = 0
        self.place = -1  # the number of its admission: running sequences stand in this order
        self.decode_from: int | None = None  # the step that computes its next token; None: not decoding

    def occupant(self, step: int) -> Occupant:
        """As a head-room policy sees it before ``step``."""
        since = 0 if self.decode_from is None else step - self.decode_from
        return Occupant(self.num_prompt_tokens, self.sampled + since, self.record.row.predicted_tokens)

    def settle(self, step: int) -> None:
        """Count the tokens that it decoded before ``step``: one a step."""
        if self.decode_from is not None:
            tokens = step - self.decode_from
            self.num_computed_tokens += tokens
            self.num_tokens += tokens
            self.sampled += tokens
            self.decode_from = step


_by_place = attrgetter("place")


def still_running(entries: list[tuple[Sequence, int]]) -> list[Sequence]:
    """Of (sequence, place) those that run since the admission with that place, in the order of running."""
    found = [each for each, place in entries if each.place == place and each.status is RequestStatus.RUNNING]
    return sorted(found, key=_by_place)
