"""What serving hooks tell besides their time: which requests a step was about. Each takes a call's args and result."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Told = dict[str, Any]


_started: "set[str]" = set()  # requests that have a first token, of this process's step so far
_steps = [0]


def scheduled(_args: "Sequence[Any]", output: "Any") -> "Told | None":
    """``Scheduler.schedule``: the step's number, its requests and tokens. None: nothing was scheduled."""
    if not output.total_num_scheduled_tokens:
        return None
    _steps[0] += 1
    total, requests = output.total_num_scheduled_tokens, len(output.num_scheduled_tokens)
    new = output.scheduled_new_reqs
    return {
        "step": _steps[0],
        "new": [request.req_id for request in new] if new else (),
        "tokens": total,
        "requests": requests,
        # Without speculation a request that decodes has one token: what has more is in its prompt.
        "prefill": 0 if total == requests else sum(n for n in output.num_scheduled_tokens.values() if n > 1),
    }


def updated(_args: "Sequence[Any]", result: "Any") -> "Told":
    """``Scheduler.update_from_output``: whose first token it was, who is finished."""
    return {"step": _steps[0]} | _first_and_finished(each for outputs in result.values() for each in outputs.outputs)


def processed(args: "Sequence[Any]", _result: object) -> "Told":
    """``OutputProcessor.process_outputs``: the same, where the text is made."""
    return _first_and_finished(args[1])


def _first_and_finished(outputs: "Iterable[Any]") -> "Told":
    first, finished = [], []
    for output in outputs:
        request = output.request_id
        if request not in _started and output.new_token_ids:
            _started.add(request)
            first.append(request)
        if output.finish_reason is not None:
            _started.discard(request)
            finished.append(request)
    return {"first": first, "finished": finished}


def received(args: "Sequence[Any]", _result: object) -> "Told":
    """``EngineCore.preprocess_add_request``."""
    return {"request": args[1].request_id}


def made(_args: "Sequence[Any]", result: "Any") -> "Told":
    """``InputProcessor.process_inputs``; before 0.11 the request is the second of what it returns."""
    request = result[1] if isinstance(result, tuple) else result
    return {"request": request.request_id}


def asked(args: "Sequence[Any]", _result: object) -> "Told":
    """``RequestResponseCycle.run_asgi``: the client's own name of its request."""
    names = [value for name, value in args[0].scope["headers"] if name == b"x-request-id"]
    return {"request": names[0].decode("latin-1")[:200] if names else None}
