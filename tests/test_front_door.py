"""Manners of whole programs, as a user or cron starts them: ./submit.sh in a process of its own."""

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired, run
from typing import Any

import pyspark
import pytest

from jobs import jvm
from jobs.errors import UsageError
from tests.emr.cloud.machines import java
from tests.support import models
from tests.support.runs import (
    ARCHIVE,
    HOUSING,
    REPO,
    S3_JARS,
    SCHEMA,
    SPARK,
    VENV,
    Ended,
    Score,
    environment,
    finished,
    start,
)

OWN_SPARK = Path(pyspark.__file__).parent
FIVE = "id,x\n" + "".join(f"{n},{n}\n" for n in range(5))


def submitted(score: Score, *, env: dict[str, str] | None = None, repo: Path = REPO, **options: Any) -> Ended:
    """`./submit.sh score` with the options that `score` would run with in this process."""
    given = {"output": score.folder / "out", "run_date": "2026-11-22", **score.defaults, **options}
    return finished(start("score", *score.arguments(given), env=env, repo=repo), Path(str(given["output"])))


@pytest.mark.parametrize("program", ["score", "train"])
def test_help_shows_a_command_to_paste(program: str) -> None:
    ended = finished(start(program, "--help"), Path())
    assert ended.code == 0
    assert f"./submit.sh {program} --" in ended.stdout
    assert f"Usage: ./submit.sh {program}" in ended.stdout


def test_without_a_program_the_usage_is_shown() -> None:
    ended = finished(start(), Path())
    assert (ended.code, ended.stdout) == (2, "")
    assert "usage: ./submit.sh score|train|emr" in ended.stderr


def test_help_without_a_program_is_the_usage_on_stdout() -> None:
    ended = finished(start("--help"), Path())
    assert (ended.code, ended.stderr) == (0, "")
    assert "usage: ./submit.sh score|train|emr" in ended.stdout


def test_modules_in_the_folder_where_the_launcher_is_started_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random.py", "json.py", "click.py", "jobs.py"):
        (tmp_path / name).write_text("raise SystemExit('not the module that was meant')")
    monkeypatch.chdir(tmp_path)
    ended = finished(start("emr", "--help"), Path())
    assert (ended.code, ended.stderr) == (0, "")
    assert "Usage: ./submit.sh emr" in ended.stdout


def test_spark_4_without_a_java_of_the_machine_is_told_before_anything_is_installed(tmp_path: Path) -> None:
    for folder in os.environ["PATH"].split(":"):
        for tool in Path(folder).glob("*"):
            if not tool.name.startswith(("java", "spark")) and not (tmp_path / tool.name).exists():
                (tmp_path / tool.name).symlink_to(tool)
    env = environment(PATH=str(tmp_path), NIGHTLY_SPARK="4.0")
    env.pop("JAVA_HOME", None)
    ended = finished(start("score", "--help", env=env), Path())
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("submit.sh: Spark 4.0 needs a Java 17 on this machine; install one")


def test_a_quote_that_never_closes_in_settings_of_spark_is_told() -> None:
    ended = finished(start("score", "--spark", "--conf 'spark.a=b c"), Path())
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == "error: --spark: a quote is not closed\n"  # not echoed: it may hold a credential


def test_every_exit_code_comes_with_one_error_line_and_one_json_line(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    (tmp_path / "other.csv").write_text("id,y\n1,2\n")
    (tmp_path / "needs.json").write_text(json.dumps({"fields": [{"name": "crim", "type": "number"}]}))
    (tmp_path / "busy").mkdir()
    lock = {"token": "t", "host": socket.gethostname(), "pid": os.getpid(), "alive": time.time()}
    (tmp_path / "busy" / "_lock.json").write_text(json.dumps(lock))
    table: list[tuple[int, str, dict[str, Any]]] = [
        (2, "--inputs", {"inputs": "in.csv"}),
        (2, "--model", {"input": tmp_path / "in.csv", "model": None}),
        (2, "run-date", {"input": tmp_path / "in.csv", "run_date": "22.11.2026"}),
        (2, "give YYYY-MM-DD", {"input": tmp_path / "in.csv", "run_date": "20261122"}),
        (2, "no-such-bucket", {"input": tmp_path / "in.csv", "policy": tmp_path / "no-such-bucket.json"}),
        (2, "nowhere.csv: no such input", {"input": tmp_path / "nowhere.csv"}),
        (3, "other.csv: no column 'x'", {"input": tmp_path / "other.csv"}),
        (4, "needs column 'crim'", {"input": tmp_path / "in.csv", "model": REPO / "examples/housing/model"}),
        (5, "other.csv", {"input": tmp_path / "in.csv", "output": tmp_path / "other.csv" / "out"}),
        (6, f"process {os.getpid()}", {"input": tmp_path / "in.csv", "output": tmp_path / "busy"}),
    ]
    for code, said, options in table:
        ended = submitted(plain, **options)
        assert ended.code == code, (said, ended.stderr)
        assert ended.error.startswith("error: "), ended.error
        assert said in ended.error
        assert ended.stdout.count("\n") == 1
        assert ended.summary["status"] == ("refused" if code == 3 else "failed")
        assert said in ended.summary["error"]
    assert (tmp_path / "busy" / "_lock.json").exists()


def test_stdout_is_the_summary_alone_and_stderr_tells_the_steps(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    # words in quotes are one setting: here two options of the JVM
    spark = f"--driver-memory 1g --driver-java-options '-Xlog:gc:file={tmp_path}/gc.log -Dnightly.test=1'"
    ended = submitted(plain, input=tmp_path / "in.csv", spark=spark)
    assert "Pause" in (tmp_path / "gc.log").read_text()
    assert ended.code == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    counts = {name: ended.summary[name] for name in ("rows_read", "rows_published", "rows_rejected", "actions")}
    assert counts == {"rows_read": 5, "rows_published": 5, "rows_rejected": 0, "actions": {"keep": 5}}
    assert ended.summary["status"] == "published"
    assert "5 rows read" in ended.stderr
    assert "WARN" not in ended.stderr
    assert not ended.left_behind


def test_a_jvm_that_does_not_start_is_told_in_one_line(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    (tmp_path / "tmp").mkdir()
    env = environment(TMPDIR=str(tmp_path / "tmp"))
    ended = submitted(plain, env=env, input=tmp_path / "in.csv", spark="--driver-memory much")
    assert ended.code == 2
    # the line before is the JVM's
    assert ended.stderr.splitlines()[-1].startswith("error: Spark's JVM did not start; see above what it says")
    assert "-Xmxmuch" in ended.stderr
    assert not ended.left_behind
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_user_without_a_name_is_told_before_the_jvm_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    # such a user cannot read the Python that runs this
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    monkeypatch.setenv("NIGHTLY_JAVA_OPTIONS", "-Xshare:auto")
    with pytest.raises(UsageError, match=r"the user 54321 has no name on this machine.*/etc/passwd"):
        jvm.started(0, {})


@pytest.mark.parametrize(
    ("max_rejects", "interrupted", "code"),
    [("0", False, 0), ("some", False, 2), ("0", True, 130)],
    ids=["published", "ended-before-spark", "ctrl-c-while-it-starts"],
)
def test_of_the_jvm_nothing_is_left(
    plain: Score, tmp_path: Path, max_rejects: str, interrupted: bool, code: int
) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    (tmp_path / "tmp").mkdir()
    options = {**plain.defaults, "input": tmp_path / "in.csv", "output": tmp_path / "out", "max_rejects": max_rejects}
    process = start("score", *plain.arguments(options), env=environment(TMPDIR=str(tmp_path / "tmp")))
    if interrupted:
        wait_for(lambda: bool(list((tmp_path / "tmp").glob("tmp*"))), process)
        os.killpg(process.pid, signal.SIGINT)
    ended = finished(process, tmp_path / "out")
    assert ended.code == code, ended.stderr
    if interrupted:
        assert ended.error == "error: interrupted; nothing was published"
    assert list((tmp_path / "tmp").iterdir()) == []
    are_gone(process)


def are_gone(process: "Popen[Any]") -> None:
    """Hold all processes that `process` has led to ending: they have let go of the streams, and are gone a moment later."""
    with pytest.raises(ProcessLookupError):  # noqa: PT012
        for _ in range(200):
            os.killpg(process.pid, 0)
            time.sleep(0.05)


@pytest.mark.parametrize(
    "streams",
    [">/dev/full 2>/dev/full", "<&- >&- 2>&-", "2>&1 | head -1; exit ${PIPESTATUS[0]}"],
    ids=["full-disk", "closed", "reader-gone"],
)
def test_a_run_that_nobody_hears_publishes_and_leaves_no_process(plain: Score, tmp_path: Path, streams: str) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    line = plain.arguments({**plain.defaults, "input": tmp_path / "in.csv", "output": tmp_path / "out"})
    command = ["bash", "-c", f'"$0" "$@" {streams}', str(REPO / "submit.sh"), "score", *line]
    process = Popen(command, env=environment(), stdout=DEVNULL, start_new_session=True)
    try:
        assert process.wait(300) == 0
        are_gone(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert len(list(tmp_path.glob("out/*/actions.csv"))) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir())[1:] == ["latest.json"]


def test_a_recording_of_the_jvm_may_be_asked_for(plain: Score, tmp_path: Path) -> None:
    if "jdk.jfr" not in run([java(), "--list-modules"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this Java has no flight recorder")
    (tmp_path / "in.csv").write_text(FIVE)
    spark = f"--driver-java-options -XX:StartFlightRecording=filename={tmp_path}/run.jfr"
    ended = submitted(plain, input=tmp_path / "in.csv", spark=spark)
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "run.jfr").stat().st_size > 0


@pytest.mark.skipif(SPARK != "3.5", reason="there is an archive of classes for Spark 3.5 only")
def test_the_archive_of_classes_fits_with_the_jars_of_s3_behind_sparks_too() -> None:
    finished(start("train", "--help"), Path())  # makes it, if there is none yet
    classes = f"{OWN_SPARK}/conf:{OWN_SPARK}/jars/*:{S3_JARS}/*"
    if not ARCHIVE.stat().st_size:
        pytest.skip("this Java can make no archive of classes")
    told = ["-cp", classes, f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:class+load"]
    command = [java(), *told, "org.apache.spark.deploy.SparkSubmit", "--version"]
    said = run(command, capture_output=True, text=True, check=True).stdout
    assert "org.apache.spark.deploy.SparkSubmit source: shared objects file (top)" in said


def test_the_jvm_understands_what_its_compilers_are_told() -> None:
    told, said = asked_of_the_jvm(r"-XX:CompileCommand=(?!quiet)[^\s\"]+")
    assert said.count("CompileCommand: CompileThresholdScaling") == len(told), said


def test_the_first_compiler_alone_has_as_much_room_as_both() -> None:  # else it is full, and switched off
    room = r"\bReservedCodeCacheSize += (\d+) "
    both, one = (
        run([java(), *told, "-XX:+PrintFlagsFinal", "-version"], capture_output=True, text=True, check=True).stdout
        for told in ([], jvm.SMALL_RUN.split())
    )
    assert re.findall(r"\bTieredStopAtLevel += (\d) ", one) == ["1"]
    assert int(re.findall(room, one)[0]) >= int(re.findall(room, both)[0])


def test_the_heap_has_its_whole_size_from_the_start() -> None:  # it does not grow (0010)
    told, said = asked_of_the_jvm(
        r"-XX:(?:[+-]Use\w+|InitialRAMPercentage|NewSize|SurvivorRatio|MaxTenuringThreshold)[^\s\"]*", "-Xmx700m"
    )
    sizes = {name: int(size) for name, size in re.findall(r"\b(\w+) += (\d+) ", said)}
    assert "-XX:-UseAdaptiveSizePolicy" in told
    assert sizes["InitialHeapSize"] == sizes["MaxHeapSize"] == 700 << 20
    assert sizes["NewSize"] == 256 << 20
    assert sizes["MaxTenuringThreshold"] == 2


def asked_of_the_jvm(options: str, *more: str) -> tuple[list[str], str]:
    """The options of this pattern that submit.sh gives a JVM, and what one says of them and all its flags."""
    told = re.findall(options, (REPO / "submit.sh").read_text())
    assert told
    command = [java(), *told, *more, "-XX:+PrintFlagsFinal", "-version"]
    return told, run(command, capture_output=True, text=True, check=True).stdout


def test_names_may_have_blanks_and_umlauts_whatever_the_locale(plain: Score, tmp_path: Path) -> None:
    folder = tmp_path / "größe é"
    (folder / "in put").mkdir(parents=True)
    (folder / "in put" / "nächtlich.csv").write_text(FIVE)
    (folder / "checkout").symlink_to(REPO)
    shutil.copytree(plain.defaults["model"], folder / "modèle")
    given = {"input": folder / "in put", "model": folder / "modèle", "output": folder / "höhe"}
    ended = submitted(plain, **given, env=environment(LC_ALL="C"), repo=folder / "checkout")
    assert ended.code == 0, ended.stderr
    assert (folder / "höhe" / "2026-11-22" / "actions.csv").read_text().count("\n") == 6


def test_a_spark_submit_of_the_platform_is_used_and_keeps_the_streams_apart(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(FIVE)
    env = environment(SPARK_HOME=str(OWN_SPARK), PYSPARK_PYTHON=str(REPO / VENV / "bin/python"))
    ended = submitted(plain, input=tmp_path / "in.csv", env=env)
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout)["rows_published"] == 5
    assert "5 rows read" in ended.stderr


@pytest.fixture(scope="module")
def slow_model(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes a tenth of a second a row, or more: some hundred million steps."""
    work = "levenshtein(repeat(CAST(x AS string), 3000), repeat('y', 10000))"
    statement = f"SELECT *, x + {work} AS prediction FROM __THIS__"
    return models.sql_model(statement, tmp_path_factory.mktemp("models") / "slow")


# as a terminal and as systemd do, the JVM behind the driver gets it too; or the driver alone, by `kill`
@pytest.mark.parametrize(
    ("number", "send", "code"),
    [(signal.SIGINT, os.killpg, 130), (signal.SIGTERM, os.killpg, 143), (signal.SIGTERM, os.kill, 143)],
    ids=["ctrl-c", "all", "driver"],
)
def test_a_signal_while_spark_writes_leaves_nothing_behind(
    plain: Score, slow_model: Path, tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None], code: int
) -> None:
    (tmp_path / "in.csv").write_text("id,x\n" + "".join(f"{n},{n}\n" for n in range(300)))
    out = tmp_path / "out"
    options = {**plain.defaults, "model": slow_model, "input": tmp_path / "in.csv", "output": out}
    policy = {"actions": [], "otherwise": "keep", "columns": {"prediction": "prediction"}}
    process = start("score", *plain.arguments({**options, "policy": policy}))
    wait_for(lambda: bool(list(out.glob("_staging/*/parts/actions/_temporary"))), process)
    send(process.pid, number)
    ended = finished(process, out)
    assert ended.code == code, ended.stderr
    assert ended.error == "error: interrupted; nothing was published"
    assert list(out.rglob("*")) == []


def jvm_of(process: Popen[str]) -> int:
    """The process that a driver has started."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_a_signal_ends_the_driver_and_only_that_its_jvm(plain: Score, slow_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\n" + "".join(f"{n},{n}\n" for n in range(300)))
    out = tmp_path / "out"
    options = {"model": slow_model, "input": tmp_path / "in.csv", "output": out}
    process = start("score", *plain.arguments({**plain.defaults, **options}))
    wait_for(lambda: bool(list(out.glob("_staging/*/parts/actions/_temporary"))), process)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(jvm_of(process), number)
    with suppress(TimeoutExpired):
        process.wait(3)
    assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGINT)
    assert finished(process, out).code == 130
    assert list(out.rglob("*")) == []


def test_the_jvm_starts_programs_without_a_helper_that_might_outlive_it(plain: Score, tmp_path: Path) -> None:
    """Hadoop starts some two dozen, each of which has the JVM's sockets until it is the program itself."""
    (tmp_path / "in.csv").write_text(FIVE)
    out = tmp_path / "out"
    process = start("score", *plain.arguments({**plain.defaults, "input": tmp_path / "in.csv", "output": out}))
    assert process.stderr
    assert any("is up" in line for line in process.stderr)
    tasks, started = Path(f"/proc/{jvm_of(process)}/task"), set[str]()
    while process.poll() is None:
        for task in tasks.glob("*/children"):
            with suppress(OSError):  # it ends as we look
                started |= {os.readlink(f"/proc/{child}/exe") for child in task.read_text().split()}
    assert finished(process, out).code == 0
    assert {Path(program).name for program in started} & {"java", "chmod"}
    assert not [program for program in started if "jspawnhelper" in program]


@pytest.mark.parametrize(
    ("loading", "dry_run"),
    [(False, False), (True, False), (True, True)],
    ids=["while-it-writes", "while-the-model-loads", "in-a-dry-run"],
)
def test_a_jvm_that_is_killed_is_told_and_nothing_is_left(
    loading: bool, dry_run: bool, plain: Score, slow_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,x\n" + "".join(f"{n},{n}\n" for n in range(300)))
    out = tmp_path / "out"
    options = {**plain.defaults, "model": slow_model, "input": tmp_path / "in.csv", "output": out, "dry_run": dry_run}
    process = start("score", *plain.arguments(options))
    if loading:
        assert process.stderr
        assert any("is up" in line for line in process.stderr)
    else:
        wait_for(lambda: bool(list(out.glob("_staging/*/parts/actions/_temporary"))), process)
    os.kill(jvm_of(process), signal.SIGKILL)
    ended = finished(process, out)
    assert ended.code == 1, ended.stderr
    assert ended.error.startswith("error: Spark's JVM was killed by signal 9")
    assert "nothing was published" in ended.error
    assert ended.summary["error"] == ended.error.removeprefix("error: ")
    assert list(out.rglob("*")) == []


def test_a_ctrl_c_while_a_model_is_saved_leaves_none_and_says_one_line(tmp_path: Path) -> None:
    model = tmp_path / "models" / "m"
    options = ["--input", HOUSING / "train.csv", "--schema", SCHEMA, "--label", "medv", "--features", "crim"]
    process = start("train", *map(str, options), "--model", str(model))
    wait_for(model.exists, process)
    os.killpg(process.pid, signal.SIGINT)
    ended = finished(process, tmp_path)
    assert ended.code == 130, ended.stderr
    assert ended.error == "error: interrupted; nothing was published"
    assert "\tat " not in ended.stderr  # as Java begins the lines of a stack trace
    assert list(model.parent.iterdir()) == []


def wait_for(condition: Callable[[], bool], process: Popen[str]) -> None:
    """Poll until `condition()`; fails if the process ends before."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
