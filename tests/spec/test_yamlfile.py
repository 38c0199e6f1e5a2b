import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from harness.errors import HarnessError
from harness.spec.yamlfile import load_yaml


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}


GOOD = """\
# A thing.
name: thing

parts:
  - size: 1
  - size: 2
by_name:
  left:
    size: 3
"""


def refusal(path: Path) -> str:
    """The one line with which this file is refused, without its path."""
    with pytest.raises(HarnessError) as refused:
        load_yaml(path, Thing)
    message = str(refused.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300
    return message.removeprefix(f"{path}:").lstrip()


def test_a_file_that_fits_becomes_its_object(tmp_path: Path):
    (tmp_path / "thing.yaml").write_text(GOOD, encoding="utf-8")
    thing = load_yaml(tmp_path / "thing.yaml", Thing)
    assert (thing.name, [part.size for part in thing.parts], thing.by_name["left"].size) == ("thing", [1, 2], 3)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: thing", "name: [a, b]", r"2: field 'name': Input should be a valid string \(got \['a', 'b'\]\)"),
        ("  - size: 2", "  - size: two", r"6: field 'parts\.1\.size': Input should be a valid integer.* \(got 'two'\)"),
        ("  - size: 2", "  - {size: 2, colour: red}", r"6: field 'parts\.1\.colour': Extra inputs .* \(got 'red'\)"),
        ("    size: 3", "    size:", r"9: field 'by_name\.left\.size': .* \(got None\)"),
        ("    size: 3", "    height: 3", r"8: field 'by_name\.left\.size': Field required \(and 1 more\)"),
        ("name: thing", "names: thing", r"1: field 'name': Field required \(and 1 more\)"),
        ("parts:", "parts: 7\nrest:", r"4: field 'parts': .*tuple.* \(got 7\) \(and 1 more\)"),
        ("  - size: 2", f"  - size: {'x' * 5000}", r"6: field 'parts\.1\.size': .* \(got 'x{50,200}…\)"),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_its_line_and_value(tmp_path: Path, old: str, new: str, expected: str):
    assert GOOD.count(old) == 1
    path = tmp_path / "thing.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    message = refusal(path)
    assert re.fullmatch(expected, message), message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"1: expected a mapping of fields, got NoneType"),
        ("- a\n", r"1: expected a mapping of fields, got list"),
        ("just words\n", r"1: expected a mapping of fields, got str"),
        ("name: thing\nparts: [\n", r"3: not valid YAML: .+"),
        ("name: 'thing\n", r"\d: not valid YAML: .+"),
        ("name: thing\n\tparts: 1\n", r"2: not valid YAML: .+"),
        ("name: a\n---\nname: b\n", r"2: not valid YAML: .+"),
        ("name: *nowhere\n", r"1: not valid YAML: .+"),
        ("name: !!python/object:os.system x\n", r"1: not valid YAML: .+"),
        ("name: thing\nname: other\n", r"2: not valid YAML: .*'name'.*twice.*"),
        ("by_name:\n  a: {size: 1}\n  b: {size: 2}\n  a: {size: 3}\n", r"4: not valid YAML: .*'a'.*twice.*"),
        ("? [a, b]\n: 1\n", r"1: not valid YAML: .+"),
        ("name: 2024-13-45\n", r"not valid YAML: .+"),
        ("name: !!int x\n", r"not valid YAML: .+"),
        ("name: !!timestamp x\n", r"not valid YAML: .+"),
        ("name: !!bool x\n", r"not valid YAML: .+"),
        ("name: " + "[" * 100_000, r"not valid YAML: .+"),  # where libyaml would overflow the stack
        ("- " * 50_000, r"not valid YAML: .+"),
        ("name: \x07\n", r"not valid YAML: .+"),
        (b"name: \xff\n", r"not UTF-8 text \(invalid start byte at byte 6\)"),
        ("{1: 2}\n", r"\d: field '.+': .+"),
    ],
)
def test_a_file_that_is_not_yaml_is_refused_with_its_line(tmp_path: Path, text: str | bytes, expected: str):
    path = tmp_path / "thing.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refusal(path)
    assert re.fullmatch(expected, message), message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path):
    assert refusal(tmp_path / "absent.yaml") == "no such file"
    assert refusal(tmp_path) == "cannot read: Is a directory"


ALPHABET = st.sampled_from("ab01 :-[]{}\n'\"#,&*!?|>%@`~\t\\=.x")


@given(data=(st.text(ALPHABET, max_size=40) | st.text(max_size=20)).map(str.encode) | st.binary(max_size=20))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thing.yaml"
        path.write_bytes(data)
        try:
            answer = load_yaml(path, Thing)
        except HarnessError as error:
            answer = str(error)
    if isinstance(answer, str):
        assert answer.startswith(f"{path}:")
        assert len(answer.splitlines()) == 1


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8), data=st.data())
def test_the_line_is_that_of_the_bad_entry_wherever_it_is(sizes: list[int], data: st.DataObject):
    bad = data.draw(st.integers(0, len(sizes) - 1))
    comments = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    lines = ["name: thing", "parts:"]
    for number, (size, comment) in enumerate(zip(sizes, comments, strict=True)):
        lines += ["  # a comment"] * comment
        lines.append(f"  - size: {'many' if number == bad else size}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thing.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        message = refusal(path)
    line = next(number for number, text in enumerate(lines, 1) if "many" in text)
    assert message.startswith(f"{line}: field 'parts.{bad}.size': ")


def test_anchors_and_merge_keys_are_yaml_too(tmp_path: Path):
    text = "name: thing\nby_name:\n  left: &left {size: 1}\n  right: *left\n  other:\n    <<: *left\n"
    (tmp_path / "thing.yaml").write_text(text, encoding="utf-8")
    assert {part.size for part in load_yaml(tmp_path / "thing.yaml", Thing).by_name.values()} == {1}
    assert yaml.safe_load(text)["by_name"]["other"] == {"size": 1}
