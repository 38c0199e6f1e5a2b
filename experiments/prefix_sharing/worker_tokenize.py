"""Tokenize dialogues as a chat client sends them: at each turn the whole history, rendered and tokenized anew.

Runs under an engine's Python: ``python -m experiments.prefix_sharing.worker_tokenize REQUEST.json RESULT.json`` in the
repository's root. Reads ``{tokenizer (a folder, or a repository of the hub), dialogues (JSONL of {system: text or null,
turns: [[question, answer], …]}), out}``, writes into ``out`` one line ``[dialogue, turn, prompt ids, answer ids]`` for
each turn, both counted from 1, then ``{chat_template, sha256, vocabulary, revision}`` into RESULT.json.

An answer's tokens are what the model would have generated: the text between the prompt and the next message, its end
token included. They are tokenized alone, the next prompt as a whole, so the next prompt need not begin with them.
"""

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import transformers
from jinja2 import TemplateError
from transformers import AutoTokenizer

BATCH = 64  # dialogues that are tokenized at once, side by side
Message = dict[str, str]
# For a tokenizer without a chat template. A single line end: cutters keep it apart from what follows.
PLAIN = {"system": "{}\n", "user": "User: {}\n", "assistant": "Assistant: {}\n"}
PLAIN_PROMPT = "Assistant:"


class Rendered(NamedTuple):
    """One turn as text."""

    dialogue: int
    turn: int
    prompt: str
    answer: str


def load(name: str) -> Any:
    """The tokenizer, from a folder or the hub's cache; only what is not there is fetched.

    Raises:
        SystemExit: one line that says why it cannot be had.
    """
    try:
        return AutoTokenizer.from_pretrained(name, local_files_only=True)
    except Exception as error:  # whatever a damaged file or an unknown format makes a library raise
        if Path(name).is_dir():
            sys.exit(f"{name} holds no tokenizer that can be read ({one_line(error)})")
    try:
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:
        sys.exit(f"the hub's {name} cannot be fetched ({one_line(error)}); name a folder with tokenizer files")


def one_line(error: Exception) -> str:
    """The first line of what a library said."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def render(tokenizer: Any, messages: list[Message], prompt: bool) -> str:
    """Messages as text, with ``prompt`` up to where the answer begins."""
    if not tokenizer.chat_template:
        text = "".join(PLAIN[message["role"]].format(message["content"]) for message in messages)
        return text + (PLAIN_PROMPT if prompt else "")
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    return str(text)


def takes_system(tokenizer: Any) -> bool:
    """Whether the chat template has system messages: some refuse them, and clients put them before the question."""
    try:
        render(tokenizer, [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], True)
    except TemplateError:
        return False
    return True


def turns_of(tokenizer: Any, number: int, dialogue: dict[str, Any], system_role: bool) -> Iterator[Rendered]:
    """Every turn of a dialogue as prompt and answer."""
    messages: list[Message] = []
    system = dialogue["system"] or ""
    if system and system_role:
        messages.append({"role": "system", "content": system})
        system = ""
    for turn, (question, answer) in enumerate(dialogue["turns"], start=1):
        content = f"{system}\n\n{question}" if system else question
        system = ""
        messages.append({"role": "user", "content": content})
        prompt = render(tokenizer, messages, True)
        messages.append({"role": "assistant", "content": answer})
        whole = render(tokenizer, messages, False)
        # Templates may render an answer that is history otherwise than one that is written now.
        rest = whole[len(prompt) :] if whole.startswith(prompt) else answer + (tokenizer.eos_token or "")
        yield Rendered(number, turn, prompt, rest)


def cut_after_end(ids: list[int], special: set[int]) -> list[int]:
    """The tokens up to the last special one, after which the model does not write; all of them if there is none."""
    last = next((place for place in range(len(ids) - 1, -1, -1) if ids[place] in special), len(ids) - 1)
    return ids[: last + 1]


def tokenize(tokenizer: Any, dialogues: Iterator[str], out: Path) -> None:
    """Write the tokens of every turn; ``dialogues``: the lines of the request's file."""
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    templated, system_role = bool(tokenizer.chat_template), takes_system(tokenizer)
    numbered = enumerate(dialogues, start=1)
    with out.open("w", encoding="utf-8") as file:
        while batch := list(itertools.islice(numbered, BATCH)):
            turns = [
                turn for number, line in batch for turn in turns_of(tokenizer, number, json.loads(line), system_role)
            ]
            # A chat template writes the tokens that a prompt begins with; without one the tokenizer does.
            prompts = tokenizer([turn.prompt for turn in turns], add_special_tokens=not templated)["input_ids"]
            answers = tokenizer([turn.answer for turn in turns], add_special_tokens=False)["input_ids"]
            for turn, prompt, answer in zip(turns, prompts, answers, strict=True):
                row = [turn.dialogue, turn.turn, prompt, cut_after_end(answer, special)]
                file.write(json.dumps(row, separators=(",", ":")) + "\n")


def identity(tokenizer: Any) -> str:
    """SHA-256 over all that decides which tokens a dialogue becomes."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    model = fast.to_str() if fast is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return hashlib.sha256(json.dumps([model, tokenizer.chat_template]).encode()).hexdigest()


def main(request_path: str, result_path: str) -> None:
    """Tokenize what the request names."""
    transformers.logging.set_verbosity_error()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    tokenizer = load(request["tokenizer"])
    facts = {
        "chat_template": bool(tokenizer.chat_template),
        "sha256": identity(tokenizer),
        "vocabulary": len(tokenizer),
        "revision": tokenizer.init_kwargs.get("_commit_hash"),
    }
    with Path(request["dialogues"]).open(encoding="utf-8") as lines:
        tokenize(tokenizer, lines, Path(request["out"]))
    Path(result_path).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
