"""How long one engine step takes on the virtual clock: a straight line over what the step computes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step: a constant, and for each prefilled token, decoding sequence, token of context attended to."""

    base_s: float
    prefill_token_s: float
    decode_seq_s: float
    context_token_s: float

    def __call__(self, prefill_tokens: int, decode_seqs: int, context_tokens: int) -> float:
        """Seconds of a step that computes this much; ``context_tokens`` is summed over its sequences."""
        return (
            self.base_s
            + self.prefill_token_s * prefill_tokens
            + self.decode_seq_s * decode_seqs
            + self.context_token_s * context_tokens
        )
