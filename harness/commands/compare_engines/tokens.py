"""Tokens of the answers by one tokenizer of the user's choice, the same for every target."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.commands.compare_engines.asked import NO_TOKENIZER, tokenizer_file
from harness.engine.environment import Installed, installed_of
from harness.engine.model_files import file_sha256
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.record.load_output import ClientRecord
from harness.spec.pin import comparison_names, load_build, pin_names, release_names, serving_names
from harness.workspace import Workspace

_WORKER = "experiments.engine_anatomy.worker_count_tokens"
_LIMIT_S = 600.0


@dataclass(frozen=True)
class Counter:
    """A tokenizer and a Python that can read it."""

    file: Path
    python: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """As runs have it."""
        return {"name": self.file.parent.name, "sha256": file_sha256(self.file)}

    def ids(self, records: Iterable[ClientRecord]) -> dict[str, list[int]]:
        """Request id → token ids of its answer. Raises HarnessError: the worker failed."""
        return self._ids_of({record.request_id: record.text or "" for record in records})

    def check(self) -> None:
        """Count one word, before anything is started or sent. Raises HarnessError: it cannot be done."""
        try:
            self._ids_of({"word": "word"})
        except HarnessError as error:
            what = f"--tokenizer {self.file.parent}: its tokenizer.json counts nothing"
            raise HarnessError(f"{what}: {error}; name another, or --tokenizer {NO_TOKENIZER}") from None

    def _ids_of(self, texts: Mapping[str, str]) -> dict[str, list[int]]:
        with tempfile.TemporaryDirectory(prefix="tokens-") as folder:
            request, result = Path(folder) / "request.json", Path(folder) / "result.json"
            asked = {"tokenizer": str(self.file.resolve()), "texts": dict(texts)}
            request.write_text(json.dumps(asked), encoding="utf-8")
            run_worker(self.python, _WORKER, (request, result), {}, "counting tokens", _LIMIT_S)
            found: dict[str, list[int]] = json.loads(result.read_text(encoding="utf-8"))
        return found


def counter_of(named: str | None, model: Path | None, workspace: Workspace) -> Counter | None:
    """The tokenizer that was named, else that of the served model; None: streamed chunks are counted.

    Raises:
        HarnessError: no tokenizer.json there, or no installed engine that can read one.
    """
    if named == NO_TOKENIZER or (named is None and model is None):
        return None
    file = tokenizer_file(named or str(model))
    if not file.is_file():
        raise HarnessError(f"{file}: not there; name a --tokenizer, or --tokenizer {NO_TOKENIZER}")
    for engine in _installed(workspace):
        if engine.is_complete and (engine.site_packages / "tokenizers").is_dir():
            return Counter(file, engine.python)
    raise HarnessError(
        "no installed engine can read a tokenizer: python3 harness engines install --pin "
        f"{comparison_names()[-1]}, or --tokenizer {NO_TOKENIZER} to count streamed chunks"
    )


def _installed(workspace: Workspace) -> Iterable[Installed]:
    names = (*comparison_names(), *pin_names(), *release_names(), *serving_names())
    return (installed_of(load_build(name), workspace) for name in names)
