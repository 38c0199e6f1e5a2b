"""Make random draft models and heads that fit a target: their architecture is that of the method, nothing was trained.

``python -m experiments.engine_anatomy.worker_heads IN OUT``. IN: {"target": folder, "kind": "draft_model", "medusa",
"eagle", "eagle3" or "noised", "heads": of Medusa, "noise": relative to each tensor's standard deviation, "seed": …}.
OUT: a folder that does not exist; it appears when it is complete. "noised" is the target itself with noise on its
weights: a draft that agrees with it more or less, as one that was trained for it would.

Widths, heads of attention and vocabulary are the target's, so a head costs what its kind costs on this target. What it
drafts is chance: of 151,936 tokens it hits the target's choice about never.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_STD = 0.02
_DRAFT_LAYERS = 2
Tensors = dict[str, torch.Tensor]


class Shapes:
    """Lengths of a target's config.json, and random tensors of them."""

    def __init__(self, config: dict[str, Any], generator: torch.Generator) -> None:
        self.hidden, self.vocabulary = config["hidden_size"], config["vocab_size"]
        self.inner = inner_size(config)
        heads = config["num_attention_heads"]
        size = config.get("head_dim") or self.hidden // heads
        self.query, self.key = heads * size, config.get("num_key_value_heads", heads) * size
        self._generator = generator

    def random(self, *shape: int) -> torch.Tensor:
        """Normal, as transformers initialises."""
        return torch.randn(*shape, generator=self._generator) * _STD

    def layer(self, name: str, width: int, norms: tuple[str, ...]) -> Tensors:
        """A decoder layer of the Llama kind, whose attention reads ``width`` numbers a token."""
        projections = {
            "self_attn.q_proj": (self.query, width),
            "self_attn.k_proj": (self.key, width),
            "self_attn.v_proj": (self.key, width),
            "self_attn.o_proj": (self.hidden, self.query),
            "mlp.gate_proj": (self.inner, self.hidden),
            "mlp.up_proj": (self.inner, self.hidden),
            "mlp.down_proj": (self.hidden, self.inner),
        }
        made = {f"{name}.{part}.weight": self.random(*shape) for part, shape in projections.items()}
        return made | {f"{name}.{norm}.weight": torch.ones(self.hidden) for norm in norms}


def inner_size(config: dict[str, Any]) -> int:
    """Width of a layer's MLP. Raises ValueError: the target does not say it."""
    found = config.get("intermediate_size", config.get("ffn_dim"))  # the second is OPT's
    if not isinstance(found, int):
        raise ValueError(f"no random draft fits a {config.get('model_type')}: its config.json has no intermediate_size")
    return found


def draft_model(target: dict[str, Any], shapes: Shapes) -> tuple[dict[str, Any], Tensors]:
    """A whole language model of two layers of the Llama kind."""
    tensors = {
        "model.embed_tokens.weight": shapes.random(shapes.vocabulary, shapes.hidden),
        "model.norm.weight": torch.ones(shapes.hidden),
    }
    for layer in range(_DRAFT_LAYERS):
        tensors |= shapes.layer(f"model.layers.{layer}", shapes.hidden, ("input_layernorm", "post_attention_layernorm"))
    return _llama(target, "LlamaForCausalLM", _DRAFT_LAYERS) | {"tie_word_embeddings": True}, tensors


def medusa(target: dict[str, Any], shapes: Shapes, heads: int) -> tuple[dict[str, Any], Tensors]:
    """``heads`` residual blocks, each with an output layer over the whole vocabulary."""
    tensors = {}
    for head in range(heads):
        tensors[f"blocks.{head}.layers.0.weight"] = shapes.random(shapes.hidden, shapes.hidden)
        tensors[f"lm_heads.{head}.weight"] = shapes.random(shapes.vocabulary, shapes.hidden)
    config = {
        "model_type": "medusa",
        "architectures": ["MedusaModel"],
        "hidden_size": shapes.hidden,
        "vocab_size": shapes.vocabulary,
        "medusa_num_heads": heads,
        "medusa_num_layers": 1,
        "max_position_embeddings": target["max_position_embeddings"],
        "torch_dtype": "float32",
    }
    return config, tensors


def eagle(target: dict[str, Any], shapes: Shapes) -> tuple[dict[str, Any], Tensors]:
    """One layer behind a mix of embedding and the target's hidden state; embedding and output are the target's."""
    tensors = shapes.layer("layers.0", shapes.hidden, ("post_attention_layernorm",))
    tensors["fc.weight"] = shapes.random(shapes.hidden, 2 * shapes.hidden)
    return _llama(target, "LlamaForCausalLM", 1), tensors


def eagle3(target: dict[str, Any], shapes: Shapes) -> tuple[dict[str, Any], Tensors]:
    """One layer behind a mix of three of the target's hidden states, with an output layer of its own."""
    norms = ("hidden_norm", "input_layernorm", "post_attention_layernorm")
    tensors = shapes.layer("midlayer", 2 * shapes.hidden, norms)
    tensors["norm.weight"] = torch.ones(shapes.hidden)
    tensors["fc.weight"] = shapes.random(shapes.hidden, 3 * shapes.hidden)
    tensors["lm_head.weight"] = shapes.random(shapes.vocabulary, shapes.hidden)
    # vLLM 0.32.0 refuses tables from draft to target tokens where both vocabularies are of one size.
    config = _llama(target, "LlamaForCausalLMEagle3", 1) | {"draft_vocab_size": shapes.vocabulary}
    return config, tensors


def noised(folder: Path, noise: float, generator: torch.Generator) -> Tensors:
    """Tensors of the model in ``folder`` with normal noise on each."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            spread = tensor.float().std(correction=0) * noise
            added = torch.randn(tensor.shape, generator=generator) * spread
            tensors[name] = (tensor.float() + added).to(tensor.dtype)
    return tensors


def _llama(target: dict[str, Any], architecture: str, layers: int) -> dict[str, Any]:
    """The target's lengths under Llama's names."""
    taken = ("hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size",
             "max_position_embeddings", "rms_norm_eps", "bos_token_id", "eos_token_id")  # fmt: skip
    kept = {name: target[name] for name in taken if name in target}
    return kept | {
        "intermediate_size": inner_size(target),
        "architectures": [architecture],
        "model_type": "llama",
        "hidden_act": "silu",
        "num_hidden_layers": layers,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }


def _tokenizer(target: Path) -> Iterator[Path]:
    yield from (path for name in ("tokenizer*.json", "vocab.json", "merges.txt") for path in target.glob(name))


def _made(
    asked: dict[str, Any], target: Path, config: dict[str, Any], generator: torch.Generator
) -> tuple[dict[str, Any], Tensors]:
    """config.json and tensors of what is asked."""
    if asked["kind"] == "noised":
        return config, noised(target, asked["noise"], generator)
    shapes = Shapes(config, generator)
    match asked["kind"]:
        case "draft_model":
            return draft_model(config, shapes)
        case "medusa":
            return medusa(config, shapes, asked["heads"])
        case "eagle":
            return eagle(config, shapes)
        case "eagle3":
            return eagle3(config, shapes)
        case kind:
            raise ValueError(f"no draft of kind {kind} is made here")


def main(request_path: str, folder: str) -> None:
    """Make what is asked."""
    asked, made = json.loads(Path(request_path).read_text(encoding="utf-8")), Path(folder)
    target = Path(asked["target"])
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    generator = torch.Generator().manual_seed(asked["seed"])
    described, tensors = _made(asked, target, config, generator)
    filling = made.with_name(f".{made.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    save_file(tensors, filling / "model.safetensors", metadata={"format": "pt"})
    (filling / "config.json").write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")
    for path in _tokenizer(target):
        shutil.copy(path, filling)
    filling.rename(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
