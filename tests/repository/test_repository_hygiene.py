"""House rules that no linter knows, checked on the files of the repository itself."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
SOURCES = sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".sql"})
MODULES = [path for path in SOURCES if path.suffix == ".py"]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils", "helpers", "common", "base", "manager", "types"}

# Put together from pieces, so that this file passes its own checks.
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:work|root|home|Users)" + "/")
REGISTRY_HOST = re.compile("|".join([r"pypi\." + "org", r"python" + r"hosted\.org", r"registry\.npm" + "js"]))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def repository_files() -> list[Path]:
    """What git tracks or would track: new files count before they are committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


def pinned(path: Path) -> dict[str, str]:
    """Each requirement of a file, as its first line, with all the text that belongs to it."""
    logical_lines = path.read_text("utf-8").replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in logical_lines if line.strip() and not line.startswith("#")]
    return {line.split(" ")[0]: line for line in lines}


def offending_lines(pattern: re.Pattern[str], path: Path) -> list[str]:
    lines = path.read_text("utf-8", errors="ignore").splitlines()
    return [f"{relative(path)}:{at}: {line[:200]}" for at, line in enumerate(lines, 1) if pattern.search(line)]


def functions_of(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length_of(function: Function) -> int:
    """The lines from `def` to the end, less the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=relative)
def test_requirements_name_no_address(path: Path) -> None:
    assert offending_lines(re.compile(":" + "//"), path) == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=relative)
def test_requirements_are_exact_and_hashed(path: Path) -> None:
    requirements = pinned(path)
    assert requirements
    assert [name for name in requirements if "==" not in name] == []
    assert [name for name, text in requirements.items() if "--hash=sha256:" not in text] == []


def test_requirement_files_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for requirement in (name for path in REQUIREMENTS for name in pinned(path)):
        package, _, version = requirement.partition("==")
        versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine-path", "registry-host"])
def test_no_file_tells_where_it_was_made(pattern: re.Pattern[str]) -> None:
    assert [line for path in repository_files() for line in offending_lines(pattern, path)] == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_opens_with_a_docstring(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 5 or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_functions_fit_on_a_screen(path: Path) -> None:
    lengths = {f"{function.name}:{function.lineno}": length_of(function) for function in functions_of(path)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_name_says_what_is_inside(path: Path) -> None:
    names = {part.removesuffix(".py").strip("_") for part in path.relative_to(ROOT / "src").parts}
    assert names & VAGUE_NAMES == set()
