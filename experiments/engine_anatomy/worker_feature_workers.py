"""What worker processes of a measured engine can do besides: tell how long they spun, make a buffer that is missing.

vLLM makes this class a base of its workers (``worker_extension_cls``), so ``LLM.collective_rpc`` finds its methods.
"""

from typing import Any

from experiments.engine_anatomy.worker_feature_cost import SPIN


class Measured:
    """Methods for ``collective_rpc``. Their names must not be vLLM's."""

    model_runner: Any

    def count_spin(self) -> None:
        """Count this process's spinning from now on."""
        SPIN.count()

    def spun_s(self) -> float:
        """CPU seconds that this process has spun since then."""
        return SPIN.seconds

    def make_pipeline_buffers(self) -> bool:
        """Make what a pipeline's later stages receive into, which vLLM 0.32.0 makes in its warm-up alone.

        Returns whether it was missing. Source: v1/worker/gpu_model_runner.py, ``_dummy_run`` and
        ``sync_and_slice_intermediate_tensors``.
        """
        from vllm.distributed.parallel_state import get_pp_group

        runner = self.model_runner
        if get_pp_group().is_first_rank or runner.intermediate_tensors is not None:
            return False
        runner.intermediate_tensors = runner.model.make_empty_intermediate_tensors(
            batch_size=runner.max_num_tokens, dtype=runner.model_config.dtype, device=runner.device
        )
        return True
