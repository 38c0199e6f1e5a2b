"""Text to token ids and back, alike for both sides of the comparison."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer


def load_tokenizer(model: Path) -> Any:
    """The tokenizer of a model folder; nothing is asked of a hub."""
    return AutoTokenizer.from_pretrained(str(model), local_files_only=True)


def is_chat(tokenizer: Any) -> bool:
    """Whether it says how a conversation is written; a twin's does not."""
    return bool(getattr(tokenizer, "chat_template", None))


def encode(tokenizer: Any, text: str) -> list[int]:
    """A user's message in the chat template where there is one, else the plain text with its special tokens."""
    if is_chat(tokenizer):
        message = [{"role": "user", "content": text}]
        written = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        return list(tokenizer.encode(written, add_special_tokens=False))  # the template has them
    return list(tokenizer.encode(text))


def decode(tokenizer: Any, tokens: list[int]) -> str:
    """The text without special tokens."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


def end_ids(model: Path) -> list[int]:
    """Token ids that end an answer, of generation_config.json, else of config.json."""
    for name in ("generation_config.json", "config.json"):
        path = model / name
        found = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        if found is not None:
            return [found] if isinstance(found, int) else list(found)
    return []
