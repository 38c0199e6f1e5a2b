"""``download_models.py`` typed in this process, and a hub that has two models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, Repository, serving
from hub_models import NAME, files_of_model, use_hub

from harness.commands.download_models.command import main
from harness.engine import download as download_module
from harness.engine.hub import fetch
from harness.spec.models import load_models

OTHER = "mistral-7b"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub that has two models, asked from this process."""
    with serving(FakeHub()) as served:
        for name in (NAME, OTHER):
            served.repositories[load_models().models[name].hub_id] = Repository(files_of_model(name))
        use_hub(monkeypatch, served.url, tmp_path)
        monkeypatch.setattr(download_module, "transfer", fetch)
        yield served


Answer = tuple[int, str, str]


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Answer:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def one_line_refusal(answered: Answer) -> str:
    """What it said, if it refused in one line and did nothing."""
    code, out, err = answered
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err
