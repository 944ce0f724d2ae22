"""What submit.sh itself does, before the program that it starts: no Spark runs here."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from subprocess import PIPE, run

import pyspark
import pytest

from tests.support.runs import REPO, S3_JARS, VENV, environment, finished, start


def told_by(path: Path) -> Path:
    """A program in the place of another, that prints its arguments and Spark's, a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "spark: $PYSPARK_SUBMIT_ARGS"\n')
    path.chmod(0o755)
    return path


def test_settings_of_spark_and_shipped_modules_may_be_given_in_several_options_and_forms(tmp_path: Path) -> None:
    told_by(tmp_path / "bin" / "spark-submit")
    given = ["--spark", "--master yarn", "--force", "--spark=--conf 'a=b c' --num-executors=2", "--input", "x"]
    shipped = ["--py-files=a.py,b.zip", "--py-files", "c.py"]
    ended = finished(start("score", *given, *shipped, env=environment(SPARK_HOME=str(tmp_path))), Path())
    assert ended.code == 0, ended.stderr
    spark = ["--py-files", "a.py,b.zip,c.py", "--master", "yarn", "--conf", "a=b c", "--num-executors=2"]
    assert ended.stdout.splitlines()[:-1] == [*spark, str(REPO / "jobs/score.py"), "--force", "--input", "x"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("--conf spark.ui.enabled=true", ["--master", "local[*]", "--driver-memory", "2g"]),
        ("--conf=spark.driver.memory=4g", ["--master", "local[*]"]),
        ("--driver-memory=4g", ["--master", "local[*]"]),
        ("--conf spark.driver.memoryOverhead=1g", ["--master", "local[*]", "--driver-memory", "2g"]),
        ("--conf spark.master=local[1]", []),
        ("--master=local[1]", []),
    ],
)
def test_what_is_set_for_master_and_memory_is_not_set_again(given: str, kept: list[str], tmp_path: Path) -> None:
    python = told_by(tmp_path / "python")
    python.write_text(python.read_text().replace("\n", f'\n[ "$1" != -I ] || exec {sys.executable} "$@"\n', 1))
    env = environment(PYSPARK_PYTHON=str(python), NIGHTLY_ARCHIVE_TO="none is made")
    ended = finished(start("train", "--spark", given, "--input", "x", env=env), Path())
    assert ended.code == 0, ended.stderr
    words = shlex.split(ended.stdout.splitlines()[-1].removeprefix("spark: "))
    assert words == ["--conf", "spark.ui.enabled=false", *kept, *given.split(" "), "pyspark-shell"]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("--conf spark.ui.enabled=true", "127.0.0.1"),
        ("--master local[2]", "127.0.0.1"),
        ("--conf spark.master=local", "127.0.0.1"),
        ("--master spark://there:7077", ""),
        ("--master=yarn", ""),
        ("--conf spark.master=local[2] --master spark://there:7077", ""),
        ("--conf spark.master=yarn --master local", "127.0.0.1"),
        ("--conf spark.master=k8s://there", ""),
    ],
)
def test_the_driver_can_be_reached_where_others_have_to(given: str, address: str, tmp_path: Path) -> None:
    python = told_by(tmp_path / "python")
    text = python.read_text().replace("$PYSPARK_SUBMIT_ARGS", "$SPARK_LOCAL_IP")
    python.write_text(text.replace("\n", f'\n[ "$1" != -I ] || exec {sys.executable} "$@"\n', 1))
    env = environment(PYSPARK_PYTHON=str(python), NIGHTLY_ARCHIVE_TO="none is made")
    ended = finished(start("train", "--spark", given, env=env), Path())
    assert ended.code == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"spark: {address}"


@pytest.mark.parametrize("spark", ["own", "a platform's"])
def test_a_python_without_the_jobs_packages_is_told(spark: str, tmp_path: Path) -> None:
    run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    env = environment(PYSPARK_PYTHON=str(tmp_path / "bare/bin/python"))
    env |= {} if spark == "own" else {"SPARK_HOME": str(Path(pyspark.__file__).parent)}
    ended = finished(start("score", "--help", env=env), Path())
    assert ended.code == 2
    # spark-submit puts what a driver says on stderr to its own stdout
    (told, *_) = (ended.stderr if spark == "own" else ended.stdout).splitlines()
    assert json.loads(ended.stdout.splitlines()[-1]) == {"status": "failed", "error": told.removeprefix("error: ")}
    assert told.startswith(f"error: {tmp_path}/bare/bin/python lacks click and numpy")
    assert "PYSPARK_PYTHON" in told


def test_an_environment_that_was_broken_off_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    """Twice at once: the second of two waits for the first, and finds all there."""
    shutil.copy(REPO / "submit.sh", tmp_path)
    (tmp_path / "jobs").symlink_to(REPO / "jobs")
    (tmp_path / "requirements").mkdir()
    for name in ("base.txt", "spark-3.5.txt", "spark-4.0.txt"):
        (tmp_path / "requirements" / name).write_text("")
    venv = tmp_path / VENV
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)  # pip comes last
    (venv / "left").touch()
    python = told_by(tmp_path / "python")
    env = environment(PYSPARK_PYTHON=str(python), PYTHON=sys.executable, NIGHTLY_ARCHIVE_TO="none is made")
    both = [start("train", env=env, repo=tmp_path) for _ in range(2)]
    ended = [finished(one, Path()) for one in both]
    assert [one.code for one in ended] == [0, 0], [one.stderr for one in ended]
    assert sum("installing" in one.stderr for one in ended) == 1
    assert not (venv / "left").exists()
    assert run([str(venv / "bin/python"), "-m", "pip", "--version"], check=False, stdout=PIPE).returncode == 0


@pytest.mark.parametrize(
    ("config", "given", "wanted"),
    [
        ('{"input": "s3://b/in"}', ["--config", "night.json"], True),
        ('{"input": "s3://b/in"}', ["--config=night.json"], True),
        (r'{"input": "s3:\/\/b\/in"}', ["--config", "night.json"], True),
        ("{}", ["--input", "S3A://b/in"], True),
        ("{}", ["--input=S3://b/in", "--config=night.json"], True),
        ('{"input": "in/s3"}', ["--config=night.json", "--output", "s3:"], False),
    ],
)
def test_what_s3_needs_is_there_however_its_uri_is_written(
    config: str, given: list[str], wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "night.json").write_text(config)
    monkeypatch.chdir(tmp_path)
    python = told_by(tmp_path / "python")
    python.write_text(python.read_text().replace("$PYSPARK_SUBMIT_ARGS", "$SPARK_DIST_CLASSPATH"))
    env = environment(PYSPARK_PYTHON=str(python), NIGHTLY_ARCHIVE_TO="none is made", SPARK_DIST_CLASSPATH="/own/*")
    ended = finished(start("train", *given, env=env), Path())
    assert ended.code == 0, ended.stderr
    jars = f":{S3_JARS}/*" if wanted else ""
    assert ended.stdout.splitlines()[-1] == f"spark: /own/*{jars}"


def test_a_spark_home_without_spark_is_told(tmp_path: Path) -> None:
    ended = finished(start("score", "--help", env=environment(SPARK_HOME=str(tmp_path))), Path())
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.error.startswith(f"error: SPARK_HOME: there is no {tmp_path}/bin/spark-submit; correct it")


def test_it_finds_its_own_folder_behind_a_link_and_whatever_cdpath_says(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "score").symlink_to("../submit.sh")
    (tmp_path / "submit.sh").symlink_to(REPO / "submit.sh")
    (tmp_path / "here").symlink_to(REPO)
    env = environment(CDPATH=str(tmp_path))
    for command in (["bin/score"], ["bash", "here/submit.sh"]):
        ended = run([*command, "score", "--help"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("Usage: ./submit.sh score")


def test_where_the_environment_is_not_ours_to_write_no_archive_is_made(tmp_path: Path) -> None:
    shutil.copy(REPO / "submit.sh", tmp_path)
    venv = tmp_path / VENV
    venv.mkdir()
    for folder, names in ((tmp_path, ["jobs", "requirements"]), (venv, os.listdir(REPO / venv.name))):
        for name in names:
            if not name.endswith(".jsa"):
                (folder / name).symlink_to((REPO if folder == tmp_path else REPO / venv.name) / name)
    python = told_by(tmp_path / "python")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mktemp").write_text("#!/bin/sh\nexit 1\n")  # as root may write everywhere
    (tmp_path / "bin" / "mktemp").chmod(0o755)
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}", PYSPARK_PYTHON=str(python))
    ended = finished(start("train", env=env, repo=tmp_path), Path())
    assert (ended.code, ended.stderr) == (0, "")
    assert not list(venv.glob("*.jsa"))


def test_a_closed_stdout_is_told() -> None:
    command = ["bash", "-c", '"$0" score --help >&-', str(REPO / "submit.sh")]
    ended = run(command, stderr=PIPE, text=True, timeout=60, check=False, env=environment())
    assert (ended.returncode, ended.stderr) == (0, "submit.sh: stdout is closed; the summary will not be seen\n")
