"""The text of some entries of ``models.yaml``, so that a test edits few lines and reads them fast."""

import re

from harness.spec.models import MODELS_YAML


def entries(*names: str) -> str:
    """A ``models.yaml`` of these models only, as it is written in the real one."""
    head, body = MODELS_YAML.read_text(encoding="utf-8").split("models:\n", 1)
    by_name = dict(re.findall(r"^  ([\w.-]+):\n((?:(?:    .*)?\n)+)", body, flags=re.MULTILINE))
    return head + "models:\n" + "".join(f"  {name}:\n{by_name[name]}" for name in names)
