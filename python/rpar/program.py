"""The command ``rpar``, which came with this package."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from typing import Any, Dict, List, Sequence

from .error import ClusterError

#: How long a command that was interrupted may take to give back what it has asked the site for, in seconds.
GIVE_BACK = 60.0


def program() -> str:
    """Path of the command: that beside this interpreter, else the first on ``PATH``.

    Raises
    ------
    rpar.error.ClusterError
        If there is none.
    """
    beside = os.path.join(sysconfig.get_path("scripts"), "rpar")
    found = beside if os.access(beside, os.X_OK) else shutil.which("rpar")
    if found is None:
        raise ClusterError("the command rpar is neither at %s nor on PATH; is the package installed whole?" % beside)
    return found


def run(arguments: Sequence[str]) -> str:
    """Runs the command and returns what it prints. Ctrl-C has it give back what it has begun.

    Raises
    ------
    rpar.error.ClusterError
        If it fails; the text is what it says, with cause and hint.
    """
    argv = [program(), "--color", "never", *arguments]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, said = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(GIVE_BACK)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if process.returncode != 0:
        text = said.decode(errors="replace").strip()
        raise ClusterError("%s\n(rpar %s ended with status %d)" % (text, " ".join(arguments), process.returncode))
    return out.decode(errors="replace")


def run_json(arguments: Sequence[str]) -> Dict[str, Any]:
    """`run` with ``--json``; returns the document.

    Raises
    ------
    rpar.error.ClusterError
        If it fails.
    """
    document: Dict[str, Any] = json.loads(run(["--json", *arguments]))
    return document


def options(values: Dict[str, Any]) -> List[str]:
    """Command line options for parameters of a profile: ``{"nodes": 2}`` is ``["--nodes=2"]``. None is left out."""
    return ["--%s=%s" % (name.replace("_", "-"), _text(value)) for name, value in values.items() if value is not None]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
