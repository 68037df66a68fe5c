"""What the documents show runs as it stands, against one quickstart: only port, directory and interpreter are ours."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerproj.processes import free_port

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 120
STARTS = "manage.py quickstart"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pytestmark = [
    pytest.mark.xdist_group("quickstart"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the documents call the API with curl"),
]


@dataclass(frozen=True)
class Shell:
    """A shell of a reader: in the directory of the product, beside a quickstart of its own."""

    port: int
    environment: dict[str, str]

    def run(self, text: str, *, language: str = "sh") -> str:
        text = text.replace("localhost:5001", f"localhost:{self.port}")
        text = text.replace("var/master_key", f"{self.environment['LEDGER_DATA_DIR']}/master_key")
        text = text.replace("uv run manage.py", f"{sys.executable} manage.py")
        words = ["sh", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        ran = subprocess.run(
            words, cwd=ROOT, env=self.environment, text=True, capture_output=True, timeout=LIMIT_SECONDS, check=False
        )
        assert "Traceback" not in ran.stderr
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "BLNK_", "DATABASE_"))}
    environment = kept | {"LEDGER_DATA_DIR": str(tmp_path_factory.mktemp("tour"))}
    port = free_port()
    words = [sys.executable, "manage.py", "quickstart", "--port", str(port)]
    with subprocess.Popen(words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE) as quickstart:
        assert quickstart.stdout is not None
        assert any(line.startswith("Admin ") for line in quickstart.stdout)
        yield Shell(port, environment)
        quickstart.send_signal(signal.SIGTERM)
        quickstart.wait(LIMIT_SECONDS)


def script(page: str, heading: str = "", language: str = "sh") -> str:
    """Return the blocks of a page, or of one of its chapters, but for those that start something."""
    text = (ROOT / page).read_text()
    if heading:
        text = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    blocks = [block for of_language, block in BLOCK.findall(text) if of_language == language and STARTS not in block]
    assert blocks
    return "\n".join(blocks)


def test_the_tour_of_the_readme_runs(shell: Shell) -> None:
    said = shell.run(script("README.md", "## A tour"))
    assert '"error"' not in said
    assert '"cause":"half_applied"' in said
    assert '"outcome":"previewed"' in said
    assert '"outcome":"corrected"' in said
    assert "Stored total edited" in said
    assert "records are as they were sealed" in said


def test_the_tutorial_runs_from_a_sweep_to_an_undone_correction(shell: Shell) -> None:
    said = shell.run(script("docs/tutorial.md"))
    assert '"error"' not in said
    assert "refused, as it should be" in said
    assert said.count('"state":"approved"') == 2
    assert said.count("1 applied") == 2
    assert '"outcome":"undone"' in said
    assert "records are as they were sealed" in said


def test_the_examples_of_the_api_run(shell: Shell) -> None:
    said = shell.run(script("docs/api.md"))
    assert '"error"' not in said
    assert '"balance":500,' in said
    result = shell.run(script("docs/api.md", "## Blnk's SDKs", "python"), language="python")
    assert "'recalculated_balance': '156317'" in result
