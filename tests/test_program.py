"""The manners of a program's process, of small ones: what signals and streams do to how it ends."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, run

import pytest

from tests.support.runs import REPO

# to the process, of which any thread may take it
LOST = "import os\ntry:\n os.kill(os.getpid(), {number})\nexcept BaseException: pass"


# what NumPy, SciPy and a finalizer do with an exception that comes while they are at work
@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("click", f"{LOST}\nprint('went on')"),
        (
            "program",
            "import threading\nfrom jobs import program\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
            "def work():\n program.whole_import('library')\n time.sleep(20)\n"
            " return {{'went': 'on'}}\nprogram.run(work)",
        ),
        (
            "program",
            "from jobs import program\nclass Ending:\n def __del__(self): signal.raise_signal({number})\n"
            "def work():\n Ending()\n time.sleep(20)\n return {{'went': 'on'}}\nprogram.run(work)",
        ),
    ],
    ids=["while-modules-load", "while-a-library-loads", "in-a-finalizer"],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_not_lost_where_exceptions_are(
    tmp_path: Path, name: str, program: str, number: int, code: int
) -> None:
    for module, text in ((name, program), ("library", LOST)):
        (tmp_path / f"{module}.py").write_text(f"import signal, time\n{text.format(number=int(number))}")
    # a program of ours imports click
    command = [sys.executable, str(REPO / "jobs/score.py" if name == "click" else tmp_path / "program.py")]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPO}"}
    ended = run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert ended.returncode == code, ended.stderr
    assert ended.stderr == "error: interrupted; nothing was published\n"
    assert "went" not in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_when_all_is_done_changes_nothing(tmp_path: Path, number: int) -> None:
    (tmp_path / "program.py").write_text(
        "import signal\nfrom jobs import program\nclass Told(dict):\n"
        f" def items(self):\n  signal.raise_signal({int(number)})\n  return super().items()\n"
        "program.run(lambda: Told(status='published'))"
    )
    command = [sys.executable, str(tmp_path / "program.py")]
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    ended = run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '{"status": "published"}\n', "")


def test_a_summary_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("from jobs import program\nprogram.run(lambda: {'status': 'published'})")
    with open("/dev/full", "w") as full:
        command, env = [sys.executable, str(tmp_path / "program.py")], {**os.environ, "PYTHONPATH": str(REPO)}
        ended = run(command, stdout=full, stderr=PIPE, text=True, timeout=60, check=False, env=env)
    told = "warning: the summary could not be written to stdout: [Errno 28] No space left on device\n"
    assert (ended.returncode, ended.stderr) == (0, told)


def test_what_py4j_logs_of_an_answer_that_is_cut_short_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import socket, struct, threading\n"
        "from py4j.clientserver import ClientServer, JavaParameters\n"
        "from jobs import program\nfrom jobs.errors import JobError\n"
        "jvm = socket.create_server(('127.0.0.1', 0))\n"
        "def killed():\n"
        " connection, _ = jvm.accept()\n"
        " connection.recv(1)\n"
        " connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        " connection.close()\n"
        "threading.Thread(target=killed, daemon=True).start()\n"
        "def work():\n"
        " try: ClientServer(JavaParameters(port=jvm.getsockname()[1])).jvm.System.nanoTime()\n"
        " except Exception as error: raise JobError(f'killed: {type(error).__name__}') from error\n"
        "program.run(work)"
    )
    command, env = [sys.executable, str(tmp_path / "program.py")], {**os.environ, "PYTHONPATH": str(REPO)}
    ended = run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert (ended.returncode, ended.stderr) == (1, "error: killed: Py4JError\n")
