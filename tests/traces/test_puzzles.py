"""Logic puzzles, solved again from their texts alone: each has one solution, and it is the answer that is given."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.traces.puzzles import KINDS, Puzzle, make_puzzles

NUMBERS = {"one": 1, "two": 2, "three": 3, "none": 0, "no": 0}
WHICH = ("smallest", "middle", "largest")
NTH = ["first", "second", "third", "fourth", "fifth"]


def solutions(puzzle: Puzzle) -> set[str]:
    """Every answer that the text allows, found without the generator's clues."""
    return {"knights": _knights, "order": _order, "sums": _sums}[puzzle.kind](puzzle.text)


def _knights(text: str) -> set[str]:
    names = re.findall(r"[A-Z][a-z]+", re.search(r"lie\. (.*?) live there", text)[1])
    said = re.findall(r"(\w+) says: '(.*?)\.'", text)
    found = set()
    for kinds in product((False, True), repeat=3):
        is_knight = dict(zip(names, kinds, strict=True))
        if all(_claim(speaker, claim, is_knight) == is_knight[speaker] for speaker, claim in said):
            found.add(", ".join(sorted(name for name in names if is_knight[name])) or "nobody")
    return found


def _claim(speaker: str, claim: str, is_knight: dict[str, bool]) -> bool:
    if match := re.fullmatch(r"(\w+) is a knave", claim):
        return not is_knight[match[1]]
    if match := re.fullmatch(r"(\w+) and (\w+) are of the same kind", claim):
        return is_knight[match[1]] == is_knight[match[2]]
    if match := re.fullmatch(r"(\w+) and I are of different kinds", claim):
        return is_knight[match[1]] != is_knight[speaker]
    match = re.fullmatch(r"exactly (\w+) of us (?:is a knight|are knights)", claim)
    return sum(is_knight.values()) == NUMBERS[match[1]]


def _order(text: str) -> set[str]:
    names = re.findall(r"[A-Z][a-z]+", re.match(r"(.*?) stand in a queue", text)[1])
    asked = NTH.index(re.search(r"Who is (\w+) in the queue", text)[1])
    tests: list[Callable[[list[str]], bool]] = []
    for sentence in re.findall(r"[^.?]+\.", text.partition("queue.")[2].partition("Who is")[0]):
        tests.append(_clue(sentence.strip(), names))
    return {order[asked] for order in permutations(names) if all(test(list(order)) for test in tests)}


def _clue(sentence: str, names: list[str]) -> Callable[[list[str]], bool]:
    one, *rest = [name for name in re.findall(r"[A-Z][a-z]+", sentence) if name in names]
    if "somewhere before" in sentence:
        return lambda order: order.index(one) < order.index(rest[0])
    if "directly behind" in sentence:
        return lambda order: order.index(one) == order.index(rest[0]) + 1
    if "Exactly one person stands between" in sentence:
        return lambda order: abs(order.index(one) - order.index(rest[0])) == 2
    place = {"is not first.": 0, "is not last.": len(names) - 1}[sentence.partition(" ")[2]]
    return lambda order: order.index(one) != place


def _sums(text: str) -> set[str]:
    asked = WHICH.index(re.search(r"What is the (\w+) number", text)[1])
    low, high = map(int, re.search(r"between (\d+) and (\d+)", text).groups())
    wanted = {
        pattern: int(match[1]) if match[1].isdigit() else NUMBERS[match[1].lower()]
        for pattern in (
            r"Their sum is (\d+)",
            r"The largest is (\d+) more",
            r"smaller ones add up to (\d+)",
            r"product of the two larger ones is (\d+)",
            r"(\w+) of them (?:is|are) even",
        )
        if (match := re.search(pattern, text))
    }
    found = set()
    for numbers in combinations(range(low, high + 1), 3):
        a, b, c = numbers
        values = [a + b + c, c - a, a + b, b * c, sum(each % 2 == 0 for each in numbers)]
        patterns = ["Their sum", "The largest", "smaller ones", "product", "of them"]
        if all(
            value == number
            for pattern, number in wanted.items()
            for start, value in zip(patterns, values, strict=True)
            if start in pattern
        ):
            found.add(str(numbers[asked]))
    return found


@given(st.integers(0, 2**31 - 1))
def test_whoever_reads_a_puzzle_finds_one_solution_and_it_is_the_answer(seed: int):
    for puzzle in make_puzzles(6, seed):
        assert solutions(puzzle) == {puzzle.answer}, puzzle.text


def test_equal_seeds_give_equal_puzzles_and_others_other_ones():
    assert make_puzzles(30, 7) == make_puzzles(30, 7)
    assert make_puzzles(60, 7)[:30] == make_puzzles(30, 7)
    assert not {each.text for each in make_puzzles(30, 7)} & {each.text for each in make_puzzles(30, 8)}


def test_puzzles_differ_and_all_kinds_are_as_frequent():
    puzzles = make_puzzles(120, 0)
    assert len({each.text for each in puzzles}) == 120
    assert [sum(each.kind == kind for each in puzzles) for kind in KINDS] == [40, 40, 40]
    assert len({each.answer for each in puzzles}) > 20  # none can be guessed by always saying the same


CLUES = {"knights": r"\w+ says: '.*?\.'", "order": r"(?<=queue\. ).*(?= Who is)", "sums": r"(?<=12\. ).*(?= What is)"}


@pytest.mark.parametrize("puzzle", make_puzzles(12, 3), ids=lambda each: each.kind)
def test_no_clue_is_superfluous(puzzle: Puzzle):
    clues = re.findall(CLUES[puzzle.kind], puzzle.text)
    if puzzle.kind != "knights":
        clues = re.findall(r"[^.]+\.", clues[0])
    assert len(clues) >= 2
    for clue in clues:
        without = replace(puzzle, text=puzzle.text.replace(clue, "", 1))
        assert _candidates(without) > 1, clue


def _candidates(puzzle: Puzzle) -> int:
    """Solutions as a whole: two of them may give the same answer to what is asked."""
    if puzzle.kind == "knights":
        return len(solutions(puzzle))
    asked = {
        "order": [re.sub(r"Who is \w+", f"Who is {nth}", puzzle.text) for nth in NTH[: 4 + ("fifth" in puzzle.text)]],
        "sums": [re.sub(r"the \w+ number", f"the {which} number", puzzle.text) for which in WHICH],
    }[puzzle.kind]
    return max(len(solutions(replace(puzzle, text=text))) for text in asked)
