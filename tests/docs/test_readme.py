"""The README's Python blocks run as they stand, one after the other, as a reader would type them."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    program = tmp_path / "readme.py"
    program.write_text("\n".join([*blocks, "test_no_overdraft()", "test_summaries()"]), encoding="utf-8")
    run = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "account-a1" in run.stdout
    assert (tmp_path / "bank.db").exists()
