"""A real cluster: a standalone master and two workers, each a process of its own, from the pip package."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest

from tests.emr.cloud.machines import SHORT_LIVED
from tests.support.runs import Score, environment, finished, start

PACKAGE = "org.apache.spark.deploy"


def free_port() -> int:
    """A port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_line(log: Path, text: str, count: int) -> None:
    """Until `text` has been logged `count` times."""
    for _ in range(600):
        if log.read_text(errors="replace").count(text) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """The URL of a master with two workers of one core each."""
    home = Path(pyspark.__file__).parent
    # the pip package's own logging tells of registered workers on stderr
    env = environment(SPARK_HOME=str(home), SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    env.update(SPARK_WORKER_DIR=str(tmp_path / "work"), SPARK_DAEMON_JAVA_OPTS=SHORT_LIVED)
    port, logs, processes = free_port(), [], []

    def launch(name: str, *arguments: str) -> None:
        logs.append(tmp_path / f"{name}.log")
        with logs[-1].open("w") as said:
            command = [str(home / "bin" / "spark-class"), f"{PACKAGE}.{arguments[0]}", *arguments[1:]]
            processes.append(subprocess.Popen(command, env=env, stdout=said, stderr=said))

    try:
        launch("master", "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
        wait_for_line(logs[0], "Started daemon", 1)
        for number in (1, 2):
            where = ["--host", "127.0.0.1", "--cores", "1", "--memory", "700m", "--webui-port", "0"]
            launch(f"worker-{number}", "worker.Worker", *where, f"spark://127.0.0.1:{port}")
        wait_for_line(logs[0], "Registering worker", 2)
        yield f"spark://127.0.0.1:{port}"
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def test_a_cluster_of_two_workers_writes_the_same_bytes_as_one_machine(
    plain: Score, master: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.csv").write_text("id,x\n" + "".join(f"{name}{n},{n / 7!r}\n" for n in range(2000)))
    with (folder / "c.csv").open("a") as file:
        file.write('"two\nlines",1\na1,5\nbad,row\n')  # the careful way, with Python on the workers
    options = {"input": folder, "max_rejects": "2", "run_date": "2026-11-22"}
    alone = plain(**options)
    assert alone.code == 0, alone.stderr
    arguments = plain.arguments({**plain.defaults, **options, "output": tmp_path / "spread"})
    settings = f"--master {master} --executor-memory 512m --conf spark.driver.bindAddress=127.0.0.1"
    settings += f" --conf 'spark.executor.extraJavaOptions={SHORT_LIVED}'"
    env = environment(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    spread = finished(start("score", *arguments, "--spark", settings, env=env), tmp_path / "spread")
    assert spread.code == 0, spread.stderr
    for name in ("actions.csv", "rejects.csv"):
        assert (spread.run / name).read_bytes() == (alone.run / name).read_bytes()
    assert spread.summary["rows_published"] == 8001
    workers = {path.parts[-2] for path in (tmp_path / "work").glob("app-*/*/stderr")}
    assert len(workers) >= 2, os.listdir(tmp_path / "work")
