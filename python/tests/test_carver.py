"""The Python part of docs/carver.md, word for word, on a real Slurm behind Torque's commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import rpar

ROOT = Path(__file__).parents[2]

#: What the document leaves to its reader.
READERS = """
import os

def serial_func(x):
    return x * x, os.environ["RPAR_NODE"]

list_of_arguments = range(40)
"""


def program():
    """The indented lines of the document that are Python, as a script."""
    text = (ROOT / "docs/carver.md").read_text()
    block = text.split("    from rpar import Client\n")[1].split("\n## ")[0].splitlines()
    lines = ["from rpar import Client"]
    for line in block:
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    return READERS + "\n".join(lines) + "\n"


@pytest.fixture
def carver(home, monkeypatch):
    up = subprocess.run([str(ROOT / "tests/services/slurm-up")], capture_output=True, text=True, timeout=300)
    assert up.returncode == 0, up.stderr
    monkeypatch.setenv("SLURM_CONF", up.stdout.split()[-1])
    rpar("--profile", "carver", "start", "--nodes", "2", "--ppn", "4", timeout=180)
    yield
    rpar("--profile", "carver", "stop", timeout=180)
    assert not (home / ".local/state/rpar/carver/default").exists()


def test_word_for_word(carver):
    done = subprocess.run([sys.executable, "-c", program()], capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode == 0, done.stderr
    results = eval(done.stdout)
    assert [square for square, _ in results] == [x * x for x in range(40)]
    assert {node[:4] for _, node in results} == {"node"}
