"""Train the offline default tokenizer: byte-level BPE on text that ships with every Python, so nothing is downloaded.

Runs under an engine's Python: ``python -m experiments.prefix_sharing.worker_train_tokenizer REQUEST.json RESULT.json``
in the repository's root. Reads ``{directory}`` (an empty folder), writes ``tokenizer.json`` and
``tokenizer_config.json`` into it, then ``{text_sha256, text_bytes, texts, vocabulary, python}`` into RESULT.json.

The text is the language reference behind ``help()`` and every docstring of the standard library: English about one
subject. Recorded dialogues about another one become 1.65 tokens a word (1.2 if it is trained on themselves), but they
are cut at the same places every time, which is what prefix sharing rests on; random merges would not do.
"""

import ast
import hashlib
import json
import platform
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

VOCABULARY = 8192
BEGIN, END, END_OF_TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# ChatML, as Qwen's models have it, without a system message of its own.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NOT_OURS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__"}
LEAST_BYTES = 1 << 20


def documentation(library: Path) -> Iterator[str]:
    """The texts, in an order that depends on their names only.

    Files that this Python cannot parse are left out: some distributions ship templates under .py names.
    """
    from pydoc_data.topics import topics

    yield from (topics[name] for name in sorted(topics))
    for path in sorted(library.rglob("*.py")):
        if NOT_OURS.isdisjoint(path.relative_to(library).parts):
            yield from docstrings(path)


def docstrings(path: Path) -> list[str]:
    """Every docstring of a source file, in order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in other people's sources
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented))
    return [text for text in found if text]


def train(texts: list[str]) -> Any:
    """The tokenizer. Equal texts give equal merges: ties are broken by the pair's ids."""
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def settings() -> dict[str, Any]:
    """``tokenizer_config.json``: what transformers needs beside ``tokenizer.json``."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000,  # prompts are as long as the dialogues are
        "chat_template": CHAT_TEMPLATE,
    }


def main(request_path: str, result_path: str) -> None:
    """Train the tokenizer and write its files."""
    folder = Path(json.loads(Path(request_path).read_text(encoding="utf-8"))["directory"])
    texts = list(documentation(Path(sysconfig.get_path("stdlib"))))
    digest = hashlib.sha256(json.dumps([VOCABULARY, settings(), texts]).encode())
    size = sum(len(text.encode()) for text in texts)
    if size < LEAST_BYTES:
        sys.exit(f"{sys.executable} ships with {size} bytes of documentation, {LEAST_BYTES} are needed; give --model")
    tokenizer = train(texts)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings(), indent=1) + "\n", encoding="utf-8")
    facts = {
        "text_sha256": digest.hexdigest(),
        "text_bytes": size,
        "texts": len(texts),
        "vocabulary": tokenizer.get_vocab_size(),
        "python": platform.python_version(),
    }
    Path(result_path).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
