"""Measure the shape of a corpus of dialogues: numbers from which ``harness/traces/generator.py`` makes others like it.

    python -m experiments.prefix_sharing.make_shape CORPUS NAME

CORPUS is a ShareGPT file. Writes ``shapes/NAME.json`` (lengths and shared prefixes of every dialogue in tokens of the
default tokenizer, and the hit shares of its traces, which the generator is held against) and ``shapes/words.txt`` (the
words that it uses). No text of the corpus is in either.
"""

import json
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from harness.engine.model_files import file_sha256
from harness.engine.tokenizer_choice import default_tokenizer, engine_python, tokenize
from harness.record.atomic import write_text
from harness.traces.arrivals import Arrivals
from harness.traces.dialogues import Tally, read_dialogues
from harness.traces.hit_share import HitShare
from harness.traces.making import read_turns
from harness.traces.shape import SHAPES, WORDS, outlines_of
from harness.workspace import Workspace

BLOCK_SIZES = (16, 32, 128)
SAMPLES = (1000, 1900)  # first so many dialogues that hit shares are given for
MOST_WORDS = 600
PLAIN_WORD = re.compile(r"(?<![\w.`*'\"-])[a-z]{2,10}(?![\w`*'\"(.=-])")  # of running text, not of code


def messages_of(tokens: list[int], ids: dict[str, int]) -> Iterator[list[int]]:
    """The tokens of each message's text in a whole rendered dialogue, without the template's."""
    message: list[int] | None = None
    for token in tokens:
        if token == ids["<|im_start|>"]:
            message = []
        elif token == ids["<|im_end|>"] and message is not None:
            yield message[message.index(ids["Ċ"]) + 1 :]  # behind the role's name and its line end
            message = None
        elif message is not None:
            message.append(token)


def plain_words(ids: dict[str, int]) -> list[str]:
    """Words of Python's manual that are one token at the beginning of a text and within it; those merged first."""
    found = {word for text in topics.values() for word in PLAIN_WORD.findall(text)}
    rank = {word: max(ids[word], ids[f"Ġ{word}"]) for word in found if word in ids and f"Ġ{word}" in ids}
    return sorted(sorted(rank, key=rank.__getitem__)[:MOST_WORDS])


def hit_shares(rows: list[list[Any]], tokens: Path) -> dict[str, Any]:
    """Hit shares of both traces by number of dialogues and block size, in the order of `workload make`."""
    turns = sorted(read_turns(tokens, Arrivals(2.0, 0)).turns)
    by_turn = {(row[0], row[1]): row[2:] for row in rows}
    shares: dict[str, Any] = {}
    for count in SAMPLES:
        for size in BLOCK_SIZES:
            single, multi = HitShare(size), HitShare(size)
            for turn in (each for each in turns if each.conversation <= count):
                prompt, answer = by_turn[turn.conversation, turn.turn]
                multi.add(prompt, answer)
                if turn.turn == 1:
                    single.add(prompt, answer)
            found = {"single_turn": round(single.share, 4), "multi_turn": round(multi.share, 4)}
            shares.setdefault(str(count), {})[str(size)] = found
    return shares


def make_shape(corpus: Path, name: str) -> None:
    """Write the shape of ``corpus`` and the words."""
    workspace = Workspace()
    python = engine_python(workspace, print)
    tokenizer = default_tokenizer(python, workspace, print)
    ids = json.loads((Path(tokenizer.source) / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    with tempfile.TemporaryDirectory() as folder:
        texts, tokens = Path(folder) / "dialogues.jsonl", Path(folder) / "tokens.jsonl"
        found = list(read_dialogues(corpus, Tally()))
        texts.write_text("".join(json.dumps({"system": None, "turns": each.turns}) + "\n" for each in found), "utf-8")
        facts = tokenize(tokenizer, texts, tokens, python)
        rows = [json.loads(line) for line in tokens.read_text(encoding="utf-8").splitlines()]
        shares = hit_shares(rows, tokens)
    whole = {dialogue: prompt + answer for dialogue, _, prompt, answer in rows}  # the last turn has all before it
    outlines = outlines_of([list(messages_of(whole[dialogue], ids)) for dialogue in sorted(whole)])
    document = {
        "schema_version": 1,
        "what": "a corpus's dialogues, in its order: [symbols shared with any before, tokens of each message…]",
        "corpus": {"file": corpus.name, "sha256": file_sha256(corpus), "dialogues": len(outlines)},
        "tokenizer": {"name": facts["name"], "sha256": facts["sha256"], "trained": facts["trained"]},
        "hit_shares": shares,
    }
    packed = textwrap.fill(", ".join(f"[{each.shared},{','.join(map(str, each.lengths))}]" for each in outlines), 118)
    write_text(SHAPES / f"{name}.json", f'{json.dumps(document, indent=1)[:-2]},\n "dialogues": [\n{packed}\n ]\n}}\n')
    write_text(WORDS, textwrap.fill(" ".join(plain_words(ids)), 118) + "\n")


if __name__ == "__main__":
    make_shape(Path(sys.argv[1]), sys.argv[2])
