"""The worker that counts everybody's tokens, under a real engine's Python, on a twin's tokenizer."""

from pathlib import Path

import pytest

from experiments.cold_start.worker_twin_tokenizer import TokenizerRequest, write_tokenizer
from harness.commands.compare_engines.tokens import Counter
from harness.engine.environment import engine_of
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.comparison_runs import record


@pytest.mark.engine
@pytest.mark.beside
def test_texts_are_counted_without_special_tokens_and_by_request(tmp_path: Path) -> None:
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if not engine.is_complete:
        pytest.skip("the default engine is not installed")
    write_tokenizer(tmp_path, TokenizerRequest(600, 3, None, None, (0,), (1,), (), "<|end_of_text|>", 100, 0))
    texts = {0: "ab", 1: "", 2: "ü\ufffd"}
    records = [record(request=number, text=text) for number, text in texts.items()]
    found = Counter(tmp_path / "tokenizer.json", engine.python).ids(records)
    # Two letters that no merge joins; nothing; two and three bytes.
    assert {name: len(ids) for name, ids in found.items()} == {"a-c1-0": 2, "a-c1-1": 0, "a-c1-2": 5}
