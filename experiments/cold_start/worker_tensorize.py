"""Serialise a model for load format ``tensorizer``, under the CUDA engine's Python: ``MODEL_FOLDER TARGET_FILE``.

Source: vLLM 0.10.1.1, ``model_executor/model_loader/tensorizer.py``. Not run on a GPU yet.
"""

import sys


def main(model: str, target: str) -> None:
    """Start the engine on ``model`` and let its worker write ``target``."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader import tensorizer

    # It would fetch configuration and tokenizer from the hub by the model's name, which here is a folder; the caller
    # copies them. The replacement reaches the engine because VLLM_ENABLE_V1_MULTIPROCESSING=0 keeps it in this process.
    tensorizer.serialize_extra_artifacts = lambda *_: None
    arguments = EngineArgs(model=model, enforce_eager=True, max_model_len=2048)
    tensorizer.tensorize_vllm_model(arguments, tensorizer.TensorizerConfig(tensorizer_uri=target))


if __name__ == "__main__":
    main(*sys.argv[1:])
