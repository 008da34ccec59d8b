"""The front door: every name it offers exists, says where it lives, and costs nothing before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import everfold


@pytest.mark.parametrize("name", everfold.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    assert getattr(everfold, name) is not None
    assert name in dir(everfold)


def test_what_type_checkers_see_is_what_is_imported() -> None:
    tree = ast.parse(Path(everfold.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("everfold.")
        for alias in node.names
    }
    (rooms,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["_ROOMS"]
    )
    assert seen == rooms
    assert sorted(rooms) == sorted(everfold.__all__)


def test_an_unknown_name_is_an_attribute_error_that_helps() -> None:
    with pytest.raises(AttributeError, match=r"has no 'Agregate'. It offers: Aggregate, App"):
        getattr(everfold, "Agregate")  # noqa: B009 (the type checkers know it is wrong)


def test_importing_everfold_loads_neither_asyncio_nor_the_store() -> None:
    program = "import sys, everfold; print('asyncio' in sys.modules, 'everfold.store' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"]


def test_a_domain_module_loads_the_domain_only() -> None:
    program = "import sys; from everfold import Aggregate, Command, Event; print('asyncio' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "False"
