"""Item 2: what travels, under which name, and what is refused before it does."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from jobs import cli
from jobs.emr import package, release, wheels
from jobs.errors import UsageError
from jobs.launch import checked
from tests.emr.conftest import SCORE, TARGETS, Desk, save_model

if TYPE_CHECKING:
    from pathlib import Path

EMR_7 = release.from_label("emr-7.10.0")


def names(artefact: package.Artefact) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(artefact.body)) as archive:
        return archive.namelist()


def test_the_zip_has_what_the_job_needs_and_nothing_of_the_launcher() -> None:
    found = names(package.code_archive())
    assert {"jobs/errors.py", "jobs/scoring/validate.py", "schemas/housing.json", "click/__init__.py"} <= set(found)
    assert not [
        name for name in found if name.startswith("jobs/emr") or name == "jobs/launch.py" or "__pycache__" in name
    ]


def test_the_same_code_is_the_same_bytes_whenever_and_wherever_it_is_packed() -> None:
    before = package.code_archive()
    touched = os.path.join(os.path.dirname(package.__file__), "..", "errors.py")
    os.utime(touched)
    script = "from jobs.emr import package; print(package.code_archive().sha256)"
    elsewhere = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert package.code_archive().sha256 == before.sha256 == elsewhere.strip()
    assert before.path == f"artefacts/{hashlib.sha256(before.body).hexdigest()}/nightly-actions.zip"


def test_what_another_zlib_packs_in_another_way_is_the_same_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    here = desk.run("step")
    for cached in (cache / "nightly-actions").iterdir():
        cached.write_bytes(gzip.compress(gzip.decompress(cached.read_bytes()), compresslevel=1, mtime=0))
    packed = zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda *_: packed(1, zlib.DEFLATED, -15))  # as zipfile asks for one
    there = desk.run("step")
    assert (there.exit_code, there.key) == (here.exit_code, here.key) == (0, here.key)


def test_the_zip_is_importable_as_spark_imports_it(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(package.code_archive().body)
    script = "import jobs.errors, click; print(jobs.__file__, click.__file__)"
    environment = {"PYTHONPATH": str(path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("code.zip") == 2


def test_everything_is_uploaded_once_under_the_name_of_its_contents(desk: Desk) -> None:
    assert desk.run("serverless").exit_code == 0
    first = [key for key in desk.s3.puts if "/artefacts/" in key]
    assert sorted(key.rpartition("/")[2] for key in first) == [
        "deps.tar.gz",
        "nightly-actions.zip",
        "policy.json",
        "schema.json",
        "score.py",
    ]
    for key in first:
        body = desk.s3.client().get_object(Bucket="staging", Key=key.removeprefix("/staging/"))["Body"].read()
        assert key.split("/")[-2] == hashlib.sha256(body).hexdigest()
    desk.s3.puts.clear()
    assert desk.run("serverless").exit_code == 0
    assert not [key for key in desk.s3.puts if "/artefacts/" in key]


def test_an_artefact_that_somebody_changed_is_neither_used_nor_overwritten(desk: Desk) -> None:
    desk.run("serverless")
    [key] = [key for key in desk.s3.keys("staging") if key.endswith("score.py")]
    desk.s3.client().put_object(Bucket="staging", Key=key, Body=b"print('not ours')")
    said = desk.run("serverless")
    assert said.exit_code == 10
    assert "it was changed" in said.stderr
    assert desk.s3.text("staging", key) == "print('not ours')"


def test_an_artefact_that_is_damaged_on_its_way_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # as one does for a store that lacks the checksum which boto3 adds by itself
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    desk.s3.damages = lambda key: key.endswith("score.py")
    said = desk.run("serverless")
    assert said.exit_code == 10
    assert "BadDigest" in said.stderr
    assert [key for key in desk.s3.keys("staging") if key.endswith("score.py")] == []
    assert desk.machines.started == []


def test_local_files_of_the_command_travel_and_the_command_names_them_there(desk: Desk, tmp_path: Path) -> None:
    config = {"model": "s3://data/model", "input": ["s3://data/a", "s3://data/b"], "max_rejects": "1%", "force": True}
    (tmp_path / "config.json").write_text(json.dumps({**config, "schema": "schema.json", "output": "s3://data/other"}))
    words = ["score", "--config", "config.json", "--policy=policy.json", "--output", "s3://data/actions"]
    assert desk.run("serverless", command=words).exit_code == 0
    [sent] = desk.machines.started
    assert sent[sent.index("--output") + 1] == "s3://data/actions", "the command line wins over the file"
    assert [sent[i + 1] for i, word in enumerate(sent) if word == "--input"] == ["s3://data/a", "s3://data/b"]
    assert "--force" in sent
    assert "--config" not in sent
    for option in ("--schema", "--policy"):
        uri = sent[sent.index(option) + 1]
        assert uri.startswith("s3://staging/nightly/artefacts/")
        assert desk.s3.text(*uri.removeprefix("s3://").split("/", 1)) == (tmp_path / f"{option[2:]}.json").read_text()
    assert sent[sent.index("--run-date") + 1], "today here, not there"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["serve"], "command of submit.sh", id="unknown program"),
        pytest.param([], "command of submit.sh", id="nothing"),
        pytest.param([*SCORE, "--output", "out"], "copy it to s3://", id="local output"),
        pytest.param([*SCORE, "--input", "in.csv"], "copy it to s3://", id="local input"),
        pytest.param([*SCORE, "--input", "FILE:///in.csv"], "copy it to s3://", id="local input as a URI"),
        pytest.param([*SCORE, "--model", "hdfs:///model"], "copy it to s3://", id="a store that the job does not know"),
        pytest.param([*SCORE, "--policy", "https://a/policy.json"], "copy it to s3://", id="a policy on the web"),
        pytest.param([*SCORE, "--schema", "absent.json"], "no file absent.json", id="absent file"),
        pytest.param([*SCORE, "--spark", "--master yarn"], "EMR decides", id="a master"),
        pytest.param([*SCORE, "--spark", "--conf spark.master=yarn"], "EMR decides", id="a master as a setting"),
        pytest.param([*SCORE, "--spark", "--conf=spark.master=yarn"], "EMR decides", id="a master in one word"),
        pytest.param([*SCORE, "--spark", "--conf spark.submit.deployMode=client"], "EMR decides", id="a mode"),
        pytest.param(["score", "--spark", "--conf 'a"], "^--spark: a quote is not closed$", id="an open quote"),
        pytest.param(
            [*SCORE, "stray"],
            r"extra argument \(stray\); put a glob in quotes; see \./submit\.sh score --help$",
            id="stray word",
        ),
        pytest.param(
            [*SCORE, "--input", *(f"{n}.csv" for n in range(10_000))],
            r"extra arguments \(1\.csv 2\.csv [^)]{99,180} …\); put a glob in quotes; see",
            id="a glob that the shell has seen",
        ),
        pytest.param(["score", "--output"], "'--output' requires an argument", id="no value"),
        pytest.param([*SCORE, "--py-files", "a.py"], "no file a.py", id="an absent module"),
        pytest.param(
            [*SCORE, "--py-files", "a.py", "--py-files", "b.py"], "no file a.py", id="the first of two modules"
        ),
        pytest.param([*SCORE, "--py-files", "hdfs:///a.py"], "copy it to s3://", id="a module elsewhere"),
        pytest.param([*SCORE, "--spark", "--py-files a.py"], "give --py-files outside it", id="modules for Spark"),
        pytest.param(
            [*SCORE, "--spark", "--conf spark.submit.pyFiles=a"], "give --py-files", id="modules in a setting"
        ),
        pytest.param([*SCORE, "--spark", "--archives s3://a/e.tgz"], "give `emr` --requirements", id="archives"),
        pytest.param(
            [*SCORE, "--spark", "--conf spark.archives=s3://a/e.tgz"], "--requirements", id="archives in a setting"
        ),
        pytest.param(
            [*SCORE, "--spark", "--conf spark.yarn.submit.waitAppCompletion=false"], "does not wait", id="no waiting"
        ),
        pytest.param(["score", "--spark"], "--spark needs a value", id="no settings"),
        pytest.param(["score", *SCORE[3:]], "Missing option '--model'", id="no model"),
        pytest.param([*SCORE, "--inputs", "s3://a"], "No such option: --inputs", id="unknown option"),
        pytest.param([*SCORE, "--run-date", "20261122"], "give YYYY-MM-DD", id="a run date in another form"),
        pytest.param([*SCORE, "--max-rejects", "some"], "--max-rejects 'some': give a count", id="no count"),
        pytest.param([*SCORE, "--min-rows", "-1"], "'--min-rows'", id="no number of rows"),
        pytest.param([*SCORE, "--force=false"], "'--force' does not take a value", id="a flag with a value"),
        pytest.param(
            ["score", "--config", "absent.json"], "--config absent.json: cannot be read", id="absent configuration"
        ),
    ],
)
def test_a_command_that_cannot_run_there_is_refused_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("schema.json", "policy.json"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=message):
        checked(tuple(words))


@pytest.mark.parametrize(
    "spelt", ["{here}/schema-{{run_date}}.json", "file://localhost{here}/s.json", "FILE://{here}/s.json"]
)
def test_a_local_file_is_found_by_every_spelling_that_the_job_itself_takes(
    desk: Desk, tmp_path: Path, spelt: str
) -> None:
    for name in ("schema-2026-11-22.json", "s.json"):
        (tmp_path / name).write_text('{"fields": [{"name": "other", "type": "string"}]}')
    assert desk.run("serverless", command=[*SCORE, "--schema", spelt.format(here=tmp_path)]).exit_code == 0
    [sent] = desk.machines.started
    bucket, key = sent[sent.index("--schema") + 1].removeprefix("s3://").split("/", 1)
    assert desk.s3.text(bucket, key) == (tmp_path / "s.json").read_text()


def test_a_local_file_without_rights_is_refused(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open

    def without_rights(path: Any, *more: Any, **given: Any) -> Any:  # root may read everything
        if path == "policy.json":
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *more, **given)

    monkeypatch.setattr("builtins.open", without_rights)
    said = desk.run("serverless")
    assert said.exit_code == 2
    assert said.stderr == "emr: policy.json: cannot be read (Permission denied); check the rights\n"


def test_a_flag_in_a_configuration_is_what_it_says(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    for setting, sent in ((True, [("--force", None)]), (False, [])):
        config.write_text(json.dumps({"force": setting}))
        options = cli.given("score", [*SCORE[1:], "--config", str(config)])
        assert [option for option in options if option[0] == "--force"] == sent
    config.write_text(json.dumps({"force": "false"}))
    with pytest.raises(UsageError, match="'force' takes true or false"):
        cli.given("score", [*SCORE[1:], "--config", str(config)])


@pytest.mark.parametrize(
    ("label", "spark", "python"),
    [("emr-7.10.0", "3.5", "3.9"), ("emr-7.10.0-latest", "3.5", "3.9"), ("emr-spark-8.0.0", "4.0", "3.11")],
)
def test_the_release_label_says_which_spark_and_python(label: str, spark: str, python: str) -> None:
    found = release.from_label(label)
    assert (found.spark, found.python) == (spark, python)


def test_a_release_the_job_does_not_run_on_is_refused(desk: Desk) -> None:
    desk.cloud.serverless.release_label = "emr-6.15.0"
    said = desk.run("serverless")
    assert said.exit_code == 2
    assert "emr-6.15.0" in said.stderr


def test_a_model_of_another_major_version_is_refused_before_anything_is_sent(desk: Desk) -> None:
    save_model(desk.s3, spark="4.0.2")
    desk.s3.puts.clear()
    said = desk.run("serverless")
    assert said.exit_code == 4
    assert "saved by Spark 4.0.2, but emr-7.10.0 runs Spark 3.5" in said.stderr
    assert desk.s3.puts == []
    assert desk.cloud.sent("StartJobRun") == []


def test_a_model_that_is_not_there_is_refused_before_anything_is_sent(desk: Desk) -> None:
    words = [word if word != "s3://data/model" else "s3://data/nowhere" for word in SCORE]
    said = desk.run("serverless", command=words)
    assert said.exit_code == 4
    assert "no saved model at s3://data/nowhere" in said.stderr


def test_a_model_or_staging_bucket_that_is_not_there_is_said_in_one_line(desk: Desk) -> None:
    words = [word if word != "s3://data/model" else "s3://absent/model" for word in SCORE]
    said = desk.run("serverless", command=words)
    assert said.exit_code == 4
    assert "no saved model at s3://absent/model" in said.stderr
    desk.s3.client().delete_bucket(Bucket="staging")
    for verb, rest in (
        ("run", [*TARGETS["serverless"], "--", *SCORE]),
        ("status", ["score-20261122-0123456789abcdef"]),
    ):
        said = desk.emr(verb, *rest)
        assert said.exit_code in (10, 13)
        assert "staging" in said.stderr.splitlines()[-1]


def test_the_job_gets_a_boto3_that_runs_on_its_python_and_only_the_services_it_calls(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    built = wheels.job_archive(EMR_7, architecture="x86_64")
    with tarfile.open(fileobj=io.BytesIO(built.body)) as archive:
        found = archive.getnames()
    assert "boto3/__init__.py" in found
    assert {name.split("/")[2] for name in found if name.startswith("botocore/data/") and name.count("/") > 2} == {
        "s3",
        "sts",
    }
    assert not [name for name in found if name.startswith("bin/") or name.endswith("RECORD")]


def test_without_a_home_to_write_to_packages_are_built_each_time(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-folder"))
    assert desk.run("serverless").exit_code == 0


@pytest.mark.parametrize(("architecture", "tag"), [("x86_64", "x86_64"), ("aarch64", "aarch64")])
def test_extra_packages_are_wheels_for_the_releases_python_and_processor(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, tag: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    pins = tmp_path / "stage.txt"
    pins.write_text("# what the custom stage needs\nMarkupSafe==3.0.2\n")
    built = wheels.extra_archive(str(pins), EMR_7, architecture=architecture)
    with tarfile.open(fileobj=io.BytesIO(built.body)) as archive:
        [native] = [name for name in archive.getnames() if name.endswith(".so")]
    assert f"cpython-39-{tag}" in native
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert wheels.extra_archive(str(pins), EMR_7, architecture=architecture).sha256 == built.sha256, "built again: same"


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        pytest.param("MarkupSafe>=2", "not pinned", id="not pinned"),
        pytest.param("Jinja2==3.1.6", "also need markupsafe==", id="something it needs is not listed"),
        pytest.param(
            "Markdown==3.7", "also need importlib-metadata>=4.4 on Python 3.9", id="something 3.9 alone needs"
        ),
        pytest.param("numpy==2.2.6", "no wheels of numpy==2.2.6 for Python 3.9", id="no wheel for that Python"),
    ],
)
def test_requirements_that_would_not_be_the_same_tomorrow_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pins: str, message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "stage.txt"
    path.write_text(pins)
    with pytest.raises(UsageError, match=message):
        wheels.extra_archive(str(path), EMR_7, architecture="x86_64")


def test_extra_packages_are_sent_with_the_job(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "stage.txt").write_text("MarkupSafe==3.0.2\n")
    assert desk.emr("run", *TARGETS["serverless"], "--requirements", "stage.txt", "--", *SCORE).exit_code == 0
    [sent] = desk.cloud.sent("StartJobRun")
    assert "extras.tar.gz#extras" in sent["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]


def test_modules_of_the_models_own_stages_travel_beside_the_jobs_code(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "stages.py").write_text("ANSWER = 42\n")
    (tmp_path / "first.py").touch()
    words = [*SCORE, "--py-files", "first.py", f"--py-files=file://{tmp_path}/stages.py,s3://data/more.zip"]
    first = desk.run("serverless", command=words)
    assert first.exit_code == 0
    [sent] = desk.cloud.sent("StartJobRun")
    settings = sent["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"].split()
    [shipped] = [word.partition("=")[2].split(",") for word in settings if word.startswith("spark.submit.pyFiles=")]
    assert [uri.rpartition("/")[2] for uri in shipped] == ["nightly-actions.zip", "first.py", "stages.py", "more.zip"]
    assert desk.s3.text(*shipped[2].removeprefix("s3://").split("/", 1)) == "ANSWER = 42\n"
    assert "--py-files" not in sent["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    (tmp_path / "stages.py").write_text("ANSWER = 43\n")
    assert desk.run("serverless", command=words).key != first.key, "another module is another run"


def test_training_travels_too_with_no_option_that_it_does_not_have(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"input": "s3://data/in", "label": "medv"}))
    words = ["train", "--config", "config.json", "--schema", "schema.json", "--features", "a,b"]
    said = desk.run("serverless", command=[*words, "--model", "s3://data/new"])
    assert said.exit_code == 0
    assert re.match(r"train-[0-9]{8}-", said.key)
    [sent] = desk.cloud.sent("StartJobRun")
    assert sent["jobDriver"]["sparkSubmit"]["entryPoint"].endswith("/train.py")
    arguments = sent["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    assert dict(zip(arguments[::2], arguments[1::2], strict=True)) == {
        "--input": "s3://data/in",
        "--schema": arguments[arguments.index("--schema") + 1],
        "--label": "medv",
        "--features": "a,b",
        "--model": "s3://data/new",
    }
