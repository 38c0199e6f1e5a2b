"""Tokens of texts by one tokenizer, whoever wrote the texts.

Runs under an engine's Python that has ``tokenizers``: ``python -m experiments.engine_anatomy.worker_count_tokens
REQUEST.json RESULT.json`` in the repository's root. Reads ``{tokenizer (a tokenizer.json), texts (by id)}`` and writes
``{id: [token ids]}`` into RESULT.json. Special tokens are not added: the texts are answers.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer


def main(request_path: str, result_path: str) -> None:
    """Tokenize the texts of the request."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(request["tokenizer"])
    names = list(request["texts"])
    found = tokenizer.encode_batch([request["texts"][name] for name in names], add_special_tokens=False)
    ids = {name: each.ids for name, each in zip(names, found, strict=True)}
    making = Path(result_path).with_suffix(".making")
    making.write_text(json.dumps(ids), encoding="utf-8")
    making.replace(result_path)


if __name__ == "__main__":
    main(*sys.argv[1:3])
