"""Generated dialogues as requests, without a tokenizer: each of their words is one token of the default one."""

from harness.traces.dialogues import Dialogue
from harness.traces.shape import load_words
from tests.traces.endless_cache import Request

NUMBERS = {word: number for number, word in enumerate(load_words())}
# The default tokenizer's template: <|im_start|> user \n … <|im_end|> \n, and "assistant" is three tokens.
BEGIN_USER, BEGIN_ASSISTANT, END_OF_MESSAGE, LINE_END = [-1, -2, -3], [-1, -4, -5, -6, -3], -7, -3


def numbers(dialogue: Dialogue) -> list[list[int]]:
    return [[NUMBERS[word] for word in text.split(" ")] for turn in dialogue.turns for text in turn]


def requests_of(dialogue: Dialogue) -> list[Request]:
    """Each turn's prompt and answer, where each word is one token."""
    history: list[int] = []
    requests = []
    messages = numbers(dialogue)
    for question, answer in zip(messages[::2], messages[1::2], strict=True):
        prompt = [*history, *BEGIN_USER, *question, END_OF_MESSAGE, LINE_END, *BEGIN_ASSISTANT]
        requests.append((prompt, [*answer, END_OF_MESSAGE]))
        history = [*prompt, *answer, END_OF_MESSAGE, LINE_END]
    return requests
