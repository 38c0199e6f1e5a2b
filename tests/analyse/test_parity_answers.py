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
        ("sums", "**Answer**: 4", "4"),
        ("sums", "The final answer is: 8", "8"),
        ("sums", "Answer: 4\nI am sure that this answer is one of 2.", "4"),  # the form asked for comes first
        ("sums", "To answer this, add 3 and 4.", None),  # about answers, and none
        ("order", "The answer depends on Ada.", None),
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
    run = replace(comparison(prompts=4), prompts=[Prompt("sums", "?", "4")] * 4)
    said = (["Answer: 4", "Answer: 4"], ["Answer: 4", "Answer: 5"], ["so", "Answer: 9"], ["so", "what"])
    for number, texts in enumerate(said):
        run = with_reference(run, number, texts=texts)
    found = answered(run)
    assert (found.puzzles, found.given, found.right) == (4, (2, 3), (2, 1))
    assert (found.both, found.same) == (2, 1)  # two that say nothing do not agree
