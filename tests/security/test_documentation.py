"""The Python in docs/security.md runs as it stands, and its tables say what is so."""

import re
import subprocess
import sys
from pathlib import Path

from everfold.app.settings import Settings
from everfold.security.roles import ROLES

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_python_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert "may not send the command 'open'" in run.stdout


def test_every_role_and_setting_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(ROLES)
    ours = [name for name in Settings.__struct_fields__ if name.startswith("jwt_")]
    for name in ("allowed_hosts", "authentication", "rate_limit", *ours):
        assert name in PAGE, name
