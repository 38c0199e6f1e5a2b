import difflib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.spec.models import MODELS_YAML, load_models
from harness.spec.models_write import with_revisions
from tests.models_text import entries

TEXT = entries("qwen-4b", "llama3-3b", "yi-6b")
NAMES = ("qwen-4b", "llama3-3b", "yi-6b")
COMMITS = st.text(alphabet="0123456789abcdef", min_size=40, max_size=40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "models.yaml"
    copy.write_text(TEXT, encoding="utf-8")
    return copy


@settings(max_examples=20)  # each reads the file three times
@given(st.dictionaries(st.sampled_from(NAMES), COMMITS, min_size=1))
@example({"yi-6b": "1" * 40})  # a number, if it stood there without quotes
def test_only_the_revision_and_its_source_of_the_named_models_change(
    tmp_path_factory: pytest.TempPathFactory, revisions: dict[str, str]
):
    path = tmp_path_factory.mktemp("write") / "models.yaml"
    path.write_text(TEXT, encoding="utf-8")
    with_revisions(path, revisions)

    after = load_models(path).models
    assert {name: after[name].revision for name in NAMES} == {name: revisions.get(name) for name in NAMES}
    new = path.read_text(encoding="utf-8")
    difference = difflib.unified_diff(TEXT.splitlines(), new.splitlines(), n=0, lineterm="")
    changed = [line for line in difference if line[:2] in ("+ ", "- ")]
    assert len(changed) == 3 * len(revisions)
    assert all(line.split()[1] == "revision:" for line in changed)


def test_every_model_of_models_yaml_can_get_a_revision(tmp_path: Path):
    path = tmp_path / "models.yaml"
    path.write_bytes(MODELS_YAML.read_bytes())
    revisions = dict.fromkeys(load_models().models, "0123456789" * 4)
    with_revisions(path, revisions)
    assert {name: model.revision for name, model in load_models(path).models.items()} == revisions


def test_a_comment_behind_a_revision_stays_and_a_second_resolution_replaces_the_first(path: Path):
    path.write_text(TEXT.replace("    revision: null\n", "    revision: null # ours\n", 1), encoding="utf-8")
    with_revisions(path, {"qwen-4b": "a" * 40})
    once = path.read_text(encoding="utf-8")
    with_revisions(path, {"qwen-4b": "b" * 40})
    assert f'    revision: "{"b" * 40}" # ours\n' in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == once.replace("a" * 40, "b" * 40)


@pytest.mark.parametrize(
    ("revisions", "complaint"),
    [
        ({"gpt-5": "a" * 40}, "no model 'gpt-5'"),
        ({"yi-6b": "main"}, r"not a commit of yi-6b: 'main' \(40 hexadecimal digits expected\)"),
        ({"yi-6b": "a" * 39 + "\n"}, "not a commit of yi-6b"),
        ({"qwen-4b": "a" * 40, "yi-6b": "B" * 40}, "not a commit of yi-6b"),
    ],
)
def test_a_wrong_name_or_revision_is_refused_and_nothing_is_written(
    path: Path, revisions: dict[str, str], complaint: str
):
    with pytest.raises(HarnessError, match=complaint):
        with_revisions(path, revisions)
    assert path.read_text(encoding="utf-8") == TEXT
    assert list(path.parent.iterdir()) == [path]


def test_a_file_in_another_form_is_left_alone_and_the_answer_says_what_to_do(path: Path):
    text = TEXT.replace("    revision: null\n", "    revision:\n      null\n", 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HarnessError, match=r"cannot find the lines .* of qwen-4b; write the revisions by hand"):
        with_revisions(path, {"yi-6b": "a" * 40, "qwen-4b": "a" * 40})
    assert path.read_text(encoding="utf-8") == text
