"""The default tokenizer, and dialogues tokenized by it: one training and two worker calls, shared by these tests."""

import json
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.engine.tokenizer_choice import Tokenizer, default_tokenizer, named_tokenizer, tokenize
from harness.engine.trained_tokenizer import MANIFEST, ensure_trained_tokenizer
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.traces.dialogues import Dialogue, Tally, read_dialogues
from harness.traces.generator import generate
from harness.traces.shape import load_shape, load_words
from harness.workspace import Workspace
from tests.beside import TRACES
from tests.traces.endless_cache import Request, endless_share
from tests.traces.word_requests import requests_of

pytestmark = [pytest.mark.engine, pytest.mark.beside]

CORPUS = "taskmaster4_sharegpt.jsonl"
SEEDS = (0, 1)
COUNT = 1900
CHAT = Dialogue((("What is 2 + 2?", "It is 4."), ("And 3 + 3?", "6\n")), system="Be brief.")


@dataclass(frozen=True)
class Tokenized:
    """Requests of each turn, by series and dialogue."""

    series: dict[str, list[list[Request]]]
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def python() -> Path:
    from harness.engine.environment import ensure_engine

    return ensure_engine(load_pin(DEFAULT_CPU_PIN)).python


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def tokenizer(python: Path, workspace: Workspace) -> Tokenizer:
    return default_tokenizer(python, workspace, lambda _: None)


def run(tokenizer: Tokenizer, series: dict[str, list[Dialogue]], folder: Path, python: Path) -> Tokenized:
    lines = [
        json.dumps({"system": each.system, "turns": each.turns}) + "\n" for some in series.values() for each in some
    ]
    (folder / "dialogues.jsonl").write_text("".join(lines))
    facts = tokenize(tokenizer, folder / "dialogues.jsonl", folder / "tokens.jsonl", python)
    found: list[list[Request]] = [[] for _ in lines]
    for line in (folder / "tokens.jsonl").read_text().splitlines():
        number, _, prompt, answer = json.loads(line)
        found[number - 1].append((prompt, answer))
    rows = iter(found)
    return Tokenized({name: list(islice(rows, len(some))) for name, some in series.items()}, facts)


@pytest.fixture(scope="module")
def tokenized(tokenizer: Tokenizer, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenized:
    series = {str(seed): list(islice(generate(load_shape(), load_words(), seed), COUNT)) for seed in SEEDS}
    corpus = TRACES.find(CORPUS)
    series["corpus"] = list(read_dialogues(corpus, Tally())) if corpus else []
    series["chat"] = [CHAT]
    return run(tokenizer, series, tmp_path_factory.mktemp("tokens"), python)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [1000, COUNT])
def test_generated_dialogues_share_prefixes_as_the_real_corpus_does(
    tokenized: Tokenized, seed: int, count: int
) -> None:
    TRACES.need(CORPUS)
    for turns in (1, None):  # the first turn only; all
        made, real = (
            endless_share([turn for each in tokenized.series[name][:count] for turn in each[:turns]], 16)
            for name in (str(seed), "corpus")
        )
        assert abs(made - real) < 0.02
        assert made > 0.5 * real  # where the share itself is no more than two points


def test_the_real_corpus_has_the_hit_shares_that_its_shape_says(tokenized: Tokenized) -> None:
    TRACES.need(CORPUS)
    for count, sizes in load_shape().facts["hit_shares"].items():
        for size, wanted in sizes.items():
            some = tokenized.series["corpus"][: int(count)]
            assert abs(endless_share([each[0] for each in some], int(size)) - wanted["single_turn"]) < 0.002
            assert (
                abs(endless_share([turn for each in some for turn in each], int(size)) - wanted["multi_turn"]) < 0.002
            )


def test_each_word_of_the_generator_is_one_token(tokenized: Tokenized) -> None:
    words = generate(load_shape(), load_words(), SEEDS[0])
    wanted = [[(len(prompt), len(answer)) for prompt, answer in requests_of(each)] for each in islice(words, COUNT)]
    assert [[(len(p), len(a)) for p, a in each] for each in tokenized.series[str(SEEDS[0])]] == wanted


def test_prompts_go_on_from_the_prompt_and_the_answer_before(tokenized: Tokenized) -> None:
    for some in tokenized.series.values():
        for turns in some:
            for (prompt, answer), (following, _) in pairwise(turns):
                assert following[: len(prompt) + len(answer)] == prompt + answer


def test_the_default_tokenizer_is_made_once_and_says_what_it_was_trained_on(
    tokenized: Tokenized, tokenizer: Tokenizer, python: Path, workspace: Workspace
) -> None:
    told: list[str] = []
    folder = ensure_trained_tokenizer(workspace.models, python, told.append)
    assert told == []
    assert (str(folder), folder.name) == (tokenizer.source, tokenizer.facts["name"])
    facts = tokenized.facts
    assert facts["name"] == f"tokenizer-python-docs-{facts['trained']['text_sha256'][:8]}"
    assert (facts["vocabulary"], facts["chat_template"]) == (8192, True)
    assert [path.name for path in workspace.models.iterdir() if path.name[0] != "."] == [folder.name]
    shipped = load_shape().facts["tokenizer"]
    if shipped["trained"]["text_sha256"] == facts["trained"]["text_sha256"]:  # the same Python
        assert shipped["sha256"] == facts["sha256"]


def test_a_default_tokenizer_that_was_changed_by_hand_is_refused(
    tokenizer: Tokenizer, python: Path, workspace: Workspace
) -> None:
    file = Path(tokenizer.source) / "tokenizer_config.json"
    before = file.read_bytes()
    file.write_bytes(before + b" ")
    with pytest.raises(HarnessError, match="changed by hand"):
        default_tokenizer(python, workspace, lambda _: None)
    file.write_bytes(before)


def test_without_a_chat_template_a_plain_one_is_used_and_still_chains(
    tokenizer: Tokenizer, tokenized: Tokenized, python: Path, workspace: Workspace, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in Path(tokenizer.source).iterdir():
        if path.name != MANIFEST:
            (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    plain = run(named_tokenizer(str(bare), workspace), {"chat": [CHAT]}, tmp_path, python)
    assert plain.facts["chat_template"] is False
    assert plain.facts["sha256"] != tokenized.facts["sha256"]
    assert (plain.facts["name"], plain.facts["trained"]) == ("bare", None)
    ((first, second),) = plain.series["chat"]
    assert second[0][: len(first[0]) + len(first[1])] == first[0] + first[1]


def test_files_that_are_no_tokenizer_are_refused_in_one_line(
    python: Path, workspace: Workspace, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(HarnessError, match="holds no tokenizer that can be read") as error:
        run(named_tokenizer(str(broken), workspace), {"chat": [CHAT]}, tmp_path, python)
    assert "\n" not in str(error.value)
