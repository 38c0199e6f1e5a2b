"""What a router sees of a request: its text, and the tokens that its prompt becomes."""

from typing import Any

from ray.serve.request_router import PendingRequest


def text_of(pending: PendingRequest) -> str | None:
    """A completion's prompt; None if it is no single text (a chat's depends on the model's template)."""
    for argument in pending.args:
        prompt: Any = getattr(argument, "prompt", None)
        if isinstance(prompt, str):
            return prompt
    return None
