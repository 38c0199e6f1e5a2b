"""Final answers of puzzles: found in what models write, held against the right ones."""

from dataclasses import replace

import pytest

from harness.analyse.parity_answers import answered, final_answer
from harness.record.parity_run import Prompt
from tests.parity_runs import comparison, with_reference


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("sums", "2 + 2 …\nAnswer: 4", "4"),
        ("sums", "The answer is **7**.", "7"),
        ("sums", "Answer: 3\nNo, wait.\nAnswer: 5", "5"),  # the last one counts
        ("sums", "I do not know.", None),
        ("sums", "Answer: none of them", None),
        ("order", "Answer: Ada", "Ada"),
        ("order", "Answer: **eva** is first", "Eva"),
        ("order", "Answer: the first is Hana.", "Hana"),
        ("order", "Answer:", None),
        ("knights", "Answer: Ben, Ada", "Ada, Ben"),  # as the puzzle writes it
        ("knights", "Answer: Ada and Ben are knights.", "Ada, Ben"),
        ("knights", "Answer: Nobody", "nobody"),
        ("knights", "Answer: none of them is a knight", "nobody"),
        ("knights", "Answer: both", None),
        ("knights", "", None),
    ],
)
def test_the_final_answer_is_what_stands_behind_the_last_answer(kind: str, text: str, answer: str | None):
    assert final_answer(text, kind) == answer


def test_right_and_equal_answers_are_counted_for_each_engine():
    run = replace(comparison(prompts=3), prompts=[Prompt("sums", "?", "4")] * 3)
    for number, texts in enumerate((["Answer: 4", "Answer: 4"], ["Answer: 4", "Answer: 5"], ["so", "Answer: 9"])):
        run = with_reference(run, number, texts=texts)
    found = answered(run)
    assert (found.puzzles, found.given, found.right, found.same) == (3, (2, 3), (2, 1), 1)
