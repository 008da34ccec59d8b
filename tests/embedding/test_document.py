"""Every program in docs/embedding.md is one of ``examples/embedding``, word for word: ``test_examples`` runs them."""

import re
from pathlib import Path

import pytest

from tests.embedding import test_examples

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^`(examples/embedding/\w+\.py)`:\n\n```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PROGRAMS = sorted(path.stem for path in (ROOT / "examples" / "embedding").glob("[a-z]*.py"))


@pytest.mark.parametrize(("path", "block"), BLOCKS, ids=[path for path, _ in BLOCKS])
def test_a_program_stands_there_as_it_is(path: str, block: str) -> None:
    assert block == (ROOT / path).read_text(encoding="utf-8"), f"copy {path} to docs/embedding.md"


def test_every_program_is_shown_and_run() -> None:
    assert sorted(Path(path).stem for path, _ in BLOCKS) == PROGRAMS
    assert len(BLOCKS) == TEXT.count("```python"), "a block without the name of its file before it"
    tests = Path(test_examples.__file__).read_text(encoding="utf-8")
    assert not [name for name in PROGRAMS if name.startswith("in_") and name not in tests]
