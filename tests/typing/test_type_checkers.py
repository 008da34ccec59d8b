"""What users see in their editor: types are inferred, and mistakes are errors, in mypy and in pyright."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED, REFUSED = HERE / "accepted.py", HERE / "refused.py"

Found = dict[str, set[int]]
"""The lines with errors, by file name."""


def run(*command: str) -> str:
    environment = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mypy() -> Found:
    found: Found = {}
    output = run("mypy", "--no-pretty", "--hide-error-context", str(ACCEPTED), str(REFUSED))
    for name, line in re.findall(r"([\w.]+):(\d+): error:", output):
        found.setdefault(name, set()).add(int(line))
    return found


@pytest.fixture(scope="module")
def pyright(tmp_path_factory: pytest.TempPathFactory) -> Found:
    # The project's own configuration leaves the refused file out.
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(ROOT / "src")]}
    config = tmp_path_factory.mktemp("pyright") / "pyrightconfig.json"
    files = {"include": [os.path.relpath(file, config.parent) for file in (ACCEPTED, REFUSED)], "exclude": list[str]()}
    config.write_text(json.dumps(settings | files), "utf-8")
    found: Found = {}
    output = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(config)))
    assert output["summary"]["filesAnalyzed"] == 2
    for error in output["generalDiagnostics"]:
        found.setdefault(Path(error["file"]).name, set()).add(error["range"]["start"]["line"] + 1)
    return found


@pytest.fixture(params=["mypy", "pyright"])
def found(request: pytest.FixtureRequest) -> Found:
    lines: Found = request.getfixturevalue(request.param)
    return lines


def test_types_are_inferred(found: Found) -> None:
    assert found.get(ACCEPTED.name, set()) == set()


def test_mistakes_are_errors(found: Found) -> None:
    lines = REFUSED.read_text("utf-8").splitlines()
    assert found[REFUSED.name] == {at for at, line in enumerate(lines, 1) if "# refused: " in line}
