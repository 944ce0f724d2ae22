"""A stage of the team's own, in a module that only `--py-files` brings along."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyspark
import pytest
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from tests.conftest import XS, XS_POLICY
from tests.support import jvm, models
from tests.support.runs import DATE, Ended, Score, environment, finished, start, table

MODULE = "train"  # a file in jobs/ has that name too
SOURCE = '''
"""Rounds to the half below, in Python."""
import math
import os

from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import functions as F


def halved(x):
    return math.floor(x * 2) / 2


class HalfBelow(Transformer, HasInputCol, HasOutputCol, DefaultParamsReadable, DefaultParamsWritable):
    def _transform(self, frame):
        print("Python says")
        os.system("echo a program says")
        frame.sparkSession._jvm.System.out.println("Java says")
        return frame.withColumn(self.getOutputCol(), F.udf(halved, "double")(self.getInputCol()))
'''
XS_READ = {"a": 1.26, "b": -0.1, "c": 7.0, "d": 1e9 + 0.74}
# the function by hand
BELOW = {"a": 1.0, "b": -0.5, "c": 7.0, "d": 1e9 + 0.5}


@pytest.fixture(scope="module")
def shipped(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The module's file, in a folder that is on nobody's path, and a model with its stage, saved."""
    folder = tmp_path_factory.mktemp("shipped")
    (folder / f"{MODULE}.py").write_text(SOURCE)
    module: Any = ModuleType(MODULE)
    exec(SOURCE, module.__dict__)
    stage = module.HalfBelow()
    stage._set(inputCol="x", outputCol="prediction")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, MODULE, module)
        models.saved(PipelineModel([stage]), folder / "model")
    return folder / f"{MODULE}.py", folder / "model"


def submitted(model: Path, folder: Path, *more: str, **env: str) -> Ended:
    """`./submit.sh score` of the numbers above with the shipped stage."""
    (folder / "in.csv").write_text("id,x\n" + "".join(f"{key},{value!r}\n" for key, value in XS_READ.items()))
    columns = {"id": "id", "prediction": "prediction"}
    options = {"model": model, "schema": XS, "policy": {**XS_POLICY, "columns": columns}}
    line = Score(folder).arguments({**options, "input": folder / "in.csv", "output": folder / "out", "run_date": DATE})
    return finished(start("score", *line, *more, env=environment(**env)), folder / "out")


@pytest.mark.parametrize("submit", ["our own Spark", "the platform's spark-submit"])
def test_a_stage_shipped_with_py_files_predicts_what_it_says(
    submit: str, shipped: tuple[Path, Path], tmp_path: Path
) -> None:
    module, model = shipped
    env = {}
    if submit != "our own Spark":
        env = {"SPARK_HOME": str(Path(pyspark.__file__).parent), "PYSPARK_PYTHON": sys.executable}
    ended = submitted(model, tmp_path, "--py-files", str(module), **env)
    assert ended.code == 0, ended.stderr
    said = {"Python says", "a program says", "Java says"}
    # a JVM in front has its own stdout
    assert said & {*ended.stdout.splitlines()} == ({"Java says"} if env else set())
    assert said <= {*ended.stdout.splitlines(), *ended.stderr.splitlines()}
    assert {row["id"]: float(row["prediction"]) for row in table(ended.output / DATE / "actions.csv")} == BELOW


def test_a_stage_in_a_jar_predicts_what_it_says_and_pyspark_ml_is_not_loaded(
    spark: SparkSession, tmp_path: Path
) -> None:
    jar = jvm.jar(spark, tmp_path / "shop library.jar")
    model = jvm.model("shop.Predicting", "floor(x * 2) * 0.5", tmp_path / "model")
    # Python says what it imports, in lines that end with the module's name
    ended = submitted(model, tmp_path, "--spark", f"--jars '{jar}'", PYTHONPROFILEIMPORTTIME="1")
    assert ended.code == 0, ended.stderr
    assert {row["id"]: float(row["prediction"]) for row in table(ended.output / DATE / "actions.csv")} == BELOW
    imported = {line.rpartition("|")[-1].strip() for line in ended.stderr.splitlines()}
    assert "pyspark.sql" in imported
    assert "pyspark.ml" not in imported


def test_a_stage_that_is_not_shipped_is_named_with_the_cure(shipped: tuple[Path, Path], tmp_path: Path) -> None:
    module, model = shipped
    ended = submitted(model, tmp_path)
    assert ended.code == 4, ended.stderr
    assert f"no module '{MODULE}'" in ended.error
    assert f"--py-files {module.name}" in ended.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("broken", "code", "says"),
    [
        ("def", 4, "SyntaxError"),
        ("import not_there_either", 4, "no module 'not_there_either'"),
        ("x = 1", 4, f"module '{MODULE}' has no HalfBelow"),
        (None, 2, "no such file"),
    ],
)
def test_a_shipped_module_that_is_no_good_is_named(
    broken: "str | None", code: int, says: str, shipped: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / f"{MODULE}.py"
    if broken:
        file.write_text(broken)
    ended = submitted(shipped[1], tmp_path, "--py-files", str(file))
    assert ended.code == code, ended.stderr
    assert says in ended.error
