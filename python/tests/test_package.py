"""What `pip install` has installed."""

import ast
import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

from conftest import RPAR, rpar


def test_the_command_is_the_native_binary():
    assert RPAR.read_bytes()[:4] == b"\x7fELF"
    assert os.access(RPAR, os.X_OK)


def test_module_command_and_package_are_of_one_version():
    import rpar as package

    assert package.__version__ == metadata.version("rpar")
    assert package.__version__ in rpar("--version")


def test_the_module_is_for_every_later_python():
    module = [file for file in metadata.files("rpar") if file.name.startswith("_rpar.")]
    assert any(file.name.endswith(".abi3.so") for file in module), module
    assert (resources.files("rpar") / "py.typed").is_file()


def test_the_import_is_light():
    # each of these takes longer to import than the package itself
    heavy = "import sys, rpar; print([m for m in ('asyncio', 'cloudpickle', 'concurrent.futures', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_syntax_is_that_of_python_3_9():
    root = Path(__file__).parents[2]
    sources = [*(root / "python/rpar").glob("*.py"), *(root / "runtime/src/python/interpreter").glob("*.py")]
    assert len(sources) > 5
    for source in sources:
        ast.parse(source.read_text(), str(source), feature_version=(3, 9))


def test_the_example_runs(cluster):
    example = Path(__file__).parents[2] / "examples" / "carver.py"
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("64 tasks on 2 engines: pi is about 3.1"), done.stderr
