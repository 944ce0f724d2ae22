"""Does the saved model fit schema and Spark? From metadata alone."""

import json
from typing import Any

import pytest

from jobs.contract import preflight, saved_model, table_schema
from jobs.contract.preflight import Needs
from jobs.errors import ModelMismatchError

ML = "org.apache.spark.ml."


def stage(kind: str, **params: Any) -> tuple[str, dict[str, Any]]:
    """A stage's class and parameters."""
    return kind if "." in kind else f"{ML}feature.{kind}", params


def files(*stages: tuple[str, dict[str, Any]], version: str = "3.5.9", in_python: bool = False) -> dict[str, str]:
    """The metadata files of a pipeline as the JVM has saved it, or PySpark, which does if a stage of it is a Python class."""
    params = {"language": "Python"} if in_python else {}
    root = {"class": f"{ML}PipelineModel", "sparkVersion": version, "paramMap": params}
    found = {"metadata/part-00000": json.dumps(root)}
    for number, (kind, params) in enumerate(stages):
        described = {"class": kind, "uid": f"s{number}", "sparkVersion": version, "paramMap": params}
        found[f"stages/{number}_s{number}/metadata/part-00000"] = json.dumps(described)
    return found


def checked(*stages: tuple[str, dict[str, Any]], in_python: bool = False, **fields: str) -> Needs:
    """What the pipeline of `stages` needs of a schema of `fields` (name to type)."""
    schema = table_schema.parse(json.dumps({"fields": [{"name": n, "type": t} for n, t in fields.items()]}), "s.json")
    model = saved_model.parse(files(*stages, in_python=in_python), "m")
    return preflight.check(model, schema, where="m", running_spark="3.5.1")


ASSEMBLER = stage("VectorAssembler", inputCols=["a", "b"], outputCol="features")


def test_the_columns_it_reads_are_found_and_must_be_there_unless_a_stage_takes_null() -> None:
    needs = checked(
        stage("ImputerModel", inputCols=["a"], outputCols=["a2"]),
        stage("StringIndexerModel", inputCol="s", outputCol="s2", handleInvalid="keep"),
        stage("FeatureHasher", inputCols=["h"], outputCol="h2"),
        stage("VectorAssembler", inputCols=["a2", "s2", "b"], outputCol="features", handleInvalid="error"),
        stage(f"{ML}regression.LinearRegressionModel", featuresCol="features", predictionCol="prediction"),
        a="number", b="integer", s="string", h="string", other="string",
    )  # fmt: skip
    assert set(needs.features) == {"a", "b", "s", "h"}
    assert needs.required == {"b"}
    assert needs.notes == ("stage StringIndexerModel(s) handleInvalid=keep",)


@pytest.mark.parametrize("kind", ["Binarizer", "Bucketizer", "OneHotEncoderModel"])
@pytest.mark.parametrize(("behind", "required"), [("keep", frozenset()), ("error", frozenset({"a"}))])
def test_a_null_that_a_stage_passes_on_is_for_the_next_to_take(
    kind: str, behind: str, required: frozenset[str]
) -> None:
    first = stage(kind, inputCol="a", outputCol="a2", handleInvalid="keep")
    assert checked(first, stage("Tokenizer", inputCol="s", outputCol="w"), a="number", s="string").required == {
        "a",
        "s",
    }
    last = stage("StringIndexerModel", inputCol="a2", outputCol="a3", handleInvalid=behind)
    assert checked(first, last, a="number").required == required


def test_the_labels_indexer_is_passed_over_but_not_what_is_made_from_it() -> None:
    indexer = stage("StringIndexerModel", inputCol="label", outputCol="label_index")
    assert checked(indexer, ASSEMBLER, a="number", b="number").features == ("a", "b")
    made = stage("VectorAssembler", inputCols=["a", "label_index"], outputCol="features")
    with pytest.raises(ModelMismatchError, match=r"'label_index' \(made from 'label'\).*add 'label' to the schema"):
        checked(indexer, made, a="number")


def test_an_indexer_of_the_label_and_others_makes_what_it_makes_of_the_others() -> None:
    indexer = stage(
        "StringIndexerModel", inputCols=["c", "label", "d"], outputCols=["ci", "y", "di"], outputCol="unused"
    )
    made = stage("VectorAssembler", inputCols=["a", "ci", "di"], outputCol="features")
    assert checked(indexer, made, a="number", c="string", d="string").features == ("c", "d", "a")
    wrong = stage("VectorAssembler", inputCols=["a", "y"], outputCol="features")
    with pytest.raises(ModelMismatchError, match=r"'y' \(made from 'label'\).*add 'label' to the schema"):
        checked(indexer, wrong, a="number", c="string", d="string")


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "missing": ([ASSEMBLER], {"a": "number"}, "needs column 'b', which the schema does not have; add 'b'"),
    "case": ([ASSEMBLER], {"a": "number", "B": "number"}, "the schema has 'B': case matters"),
    "type": (
        [ASSEMBLER],
        {"a": "number", "b": "string"},
        "needs column 'b' as number or integer or boolean, the schema says",
    ),
    "text": ([stage("Tokenizer", inputCol="a", outputCol="w")], {"a": "number"}, "'a' as string"),
    "taken": ([ASSEMBLER], {"a": "number", "b": "number", "features": "number"}, "writes column 'features'"),
    "taken but for case": (
        [ASSEMBLER],
        {"a": "number", "b": "number", "Features": "number"},
        "writes column 'features', which the schema has too as 'Features'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_misfit_names_the_column_or_stage_and_the_cure(name: str) -> None:
    stages, fields, said = WRONG[name]
    with pytest.raises(ModelMismatchError) as caught:
        checked(*stages, **fields)
    assert str(caught.value).startswith("model m: ")
    assert said in str(caught.value)


def test_a_stage_of_another_library_of_the_jvms_is_not_imported_and_what_it_adds_is_not_known() -> None:
    own = stage("shop.Cleaner", inputCol="a")
    after = stage("VectorAssembler", inputCols=["a", "cleaned"], outputCol="features")
    assert checked(own, after, a="number").features == ("a",)


def test_a_stage_that_is_called_like_one_of_sparks_is_not_taken_for_it() -> None:
    # Spark's would take no number, and a missing value
    needs = checked(
        stage("shop.Tokenizer", inputCol="a"), stage("shop.ImputerModel", inputCol="b"), a="number", b="number"
    )
    assert needs.required == {"a", "b"}


def test_a_python_stage_that_can_be_imported_passes() -> None:
    its = stage("json.decoder.JSONDecoder", inputCol="a")
    assert checked(its, in_python=True, a="number").features == ("a",)


@pytest.mark.parametrize("name", ["shop.stages.Cleaner", "ml.stages.Cleaner", "com.shop.Cleaner"])
def test_a_python_stage_that_cannot_be_imported_is_named_with_the_cure(name: str) -> None:
    cure = rf"^model m: stage s0 is the Python class {name}, which cannot be imported .*--py-files {name.split('.')[0]}\.py$"
    with pytest.raises(ModelMismatchError, match=cure):
        checked(stage(name, inputCol="a"), in_python=True, a="number")


@pytest.mark.parametrize(
    ("saved", "fits"), [("3.5.9", True), ("3.1.0", True), ("2.4.8", False), ("4.0.2", False), ("", False)]
)
def test_the_major_version_of_spark_must_be_the_same(saved: str, fits: bool) -> None:
    model = saved_model.parse(files(version=saved), "m")
    schema = table_schema.parse('{"fields": [{"name": "a"}]}', "s.json")
    if fits:
        preflight.check(model, schema, where="m", running_spark="3.5.1")
        return
    with pytest.raises(ModelMismatchError, match=r"model m: saved by Spark .*, this is Spark 3\.5\.1"):
        preflight.check(model, schema, where="m", running_spark="3.5.1")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "no metadata/"),
        ({"metadata/part-00000": "{"}, "is not JSON"),
        ({"metadata/part-00000": "[]"}, "not a JSON object"),
        ({"metadata/part-00000": '{"class": "org.apache.spark.ml.feature.Bucketizer"}'}, "not a PipelineModel"),
        ({"metadata/part-00000": '{"class": "org.apache.spark.ml.tuning.CrossValidatorModel"}'}, "save its bestModel"),
    ],
)
def test_what_is_no_saved_pipeline_does_not_fit(found: dict[str, str], said: str) -> None:
    with pytest.raises(ModelMismatchError) as caught:
        saved_model.parse(found, "m")
    assert said in str(caught.value)


def of_uids(*uids: str) -> dict[str, str]:
    """The metadata of a pipeline that says which stages it has, with those in folders of another one too."""
    found = files(ASSEMBLER, stage("Bucketizer", inputCol="a", outputCol="b"))
    # of ten stages and more Spark writes two digits
    for folder in ("0_old", "00_s0"):
        found[f"stages/{folder}/metadata/part-00000"] = json.dumps({"class": f"{ML}feature.Tokenizer", "uid": folder})
    found["stages/0_old/metadata/part-00000"] = json.dumps({"class": f"{ML}feature.Tokenizer", "uid": "old"})
    found["stages/2_s2/metadata/part-00000"] = json.dumps({"class": f"{ML}feature.Tokenizer", "uid": "s2"})
    root = json.loads(found["metadata/part-00000"])
    return {**found, "metadata/part-00000": json.dumps({**root, "paramMap": {"stageUids": uids}})}


def test_what_a_copy_over_an_older_model_has_left_is_no_stage() -> None:
    model = saved_model.parse(of_uids("s0", "s1"), "m")
    assert [found.kind for found in model.stages] == ["VectorAssembler", "Bucketizer"]
    assert model.folders == (
        ("stages/0_s0/", f"{ML}feature.VectorAssembler"),
        ("stages/1_s1/", f"{ML}feature.Bucketizer"),
    )


def test_a_stage_may_be_called_anything() -> None:
    found = {
        "metadata/part-0": json.dumps({"class": f"{ML}PipelineModel", "paramMap": {"stageUids": ["a / b"] * 10}}),
        **{
            f"stages/{n:02d}_a / b/metadata/part-0": json.dumps({"class": f"{ML}feature.Tokenizer", "uid": str(n)})
            for n in range(10)
        },
    }
    assert [stage.uid for stage in saved_model.parse(found, "m").stages] == [str(n) for n in range(10)]


def test_two_models_in_one_folder_are_none() -> None:
    found = {**of_uids("s0"), "stages/0_s0/metadata/part-00001": json.dumps({"class": f"{ML}feature.Tokenizer"})}
    with pytest.raises(ModelMismatchError, match="model m: stages/0_s0/metadata holds two models; delete the folder"):
        saved_model.parse(found, "m")


def test_a_stage_that_was_not_copied_is_named() -> None:
    with pytest.raises(ModelMismatchError, match="model m: its stage gone is not there; copy it again"):
        saved_model.parse(of_uids("s0", "s1", "s2", "gone"), "m")


def test_pipelines_within_pipelines_are_walked_in_order() -> None:
    inner = {
        "stages/1_p/metadata/part-00000": json.dumps({"class": f"{ML}PipelineModel", "uid": "p"}),
        "stages/1_p/stages/0_c/metadata/part-00000": json.dumps({"class": "c", "uid": "c"}),
        "stages/1_p/stages/10_e/metadata/part-00000": json.dumps({"class": "e", "uid": "e"}),
        "stages/1_p/stages/2_d/metadata/part-00000": json.dumps({"class": "d", "uid": "d"}),
    }
    model = saved_model.parse({**files(stage("x.A")), **inner}, "m")
    assert [found.kind for found in model.stages] == ["class x.A", "class c", "class d", "class e"]


def test_what_a_stage_was_fitted_by_or_is_made_of_is_no_stage_of_the_pipeline() -> None:
    found = {
        **files(ASSEMBLER, stage(f"{ML}tuning.CrossValidatorModel"), stage(f"{ML}classification.OneVsRestModel")),
        "stages/1_s1/bestModel/metadata/part-00000": json.dumps({"class": "best"}),
        "stages/1_s1/estimator/metadata/part-00000": json.dumps({"class": "Pipeline"}),
        "stages/1_s1/estimator/stages/0_i/metadata/part-00000": json.dumps({"class": "Imputer"}),
        "stages/1_s1/evaluator/metadata/part-00000": json.dumps({"class": "RegressionEvaluator"}),
        "stages/2_s2/classifier/metadata/part-00000": json.dumps({"class": "LogisticRegression"}),
        "stages/2_s2/model_0/metadata/part-00000": json.dumps({"class": "LogisticRegressionModel"}),
    }
    stages = saved_model.parse(found, "m").stages
    assert [each.kind for each in stages] == ["VectorAssembler", "class best", "OneVsRestModel"]


@pytest.mark.parametrize("output", ["topicDistributionCol", "quantilesCol", "linkPredictionCol"])
def test_a_stage_may_read_whatever_another_writes(output: str) -> None:
    first = stage(f"{ML}clustering.LocalLDAModel", featuresCol="features", **{output: "made"})
    last = stage("VectorAssembler", inputCols=["made"], outputCol="more")
    assert checked(ASSEMBLER, first, last, a="number", b="number").features == ("a", "b")
