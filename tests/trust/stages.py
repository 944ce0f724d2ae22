"""Pipelines of the common stages, each small, with the columns it predicts from and the column to publish."""

from collections.abc import Callable
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml import classification as C
from pyspark.ml import clustering as K
from pyspark.ml import evaluation as E
from pyspark.ml import feature as T
from pyspark.ml import regression as R
from pyspark.ml import tuning as V
from pyspark.sql import DataFrame, SparkSession

FIELDS: list[dict[str, Any]] = [
    {"name": "ID", "type": "integer"},
    {"name": "x", "type": "number"},
    {"name": "z", "type": "number"},
    {"name": "c", "type": "string"},
    {"name": "t", "type": "string"},
    {"name": "u", "type": "integer", "spark:type": "int"},
]
SCHEMA = {"fields": FIELDS, "primaryKey": "ID"}
TYPES = "ID long, x double, z double, c string, t string, u int"


def training(spark: SparkSession) -> DataFrame:
    """Forty rows: two numbers, a category, a text, a user, a number to predict and a class."""
    words = "array('cold rain', 'warm sun and wind', 'snow', 'rain and wind')[int(id % 4)] AS t"
    numbers = ["id AS ID", "0.5D * id AS x", "double((id * 7) % 11) AS z"]
    targets = ["int(id % 5) AS u", "id * 0.7D + id % 3 AS y", "double(id % 2) AS k"]
    # one partition, made in the JVM: fitting goes over it many times
    return spark.range(0, 40, 1, 1).selectExpr(*numbers, "array('a', 'b', 'c')[int(id % 3)] AS c", words, *targets)


def vector(*columns: str, **more: Any) -> Any:
    """The assembler in front of most estimators."""
    return T.VectorAssembler(inputCols=list(columns), outputCol="features", **more)


def indexed(how: str) -> list[Any]:
    """A category as a vector: indexed, then one-hot."""
    index = T.StringIndexer(inputCol="c", outputCol="ci", handleInvalid=how)
    return [index, T.OneHotEncoder(inputCol="ci", outputCol="cv"), vector("x", "cv"), R.LinearRegression(labelCol="y")]


def validated(*stages: Any) -> list[Any]:
    """A cross-validation that holds a whole pipeline; one point in its grid, as which of them is best is Spark's."""
    line = R.LinearRegression(labelCol="y")
    grid = V.ParamGridBuilder().addGrid(line.regParam, [0.1]).build()
    inner = Pipeline(stages=[*stages, line])
    evaluator = E.RegressionEvaluator(labelCol="y")
    return [V.CrossValidator(estimator=inner, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=1)]


# what a SQLTransformer must not do: afterwards there are other rows than before
OTHER_ROWS = {
    "explode": "SELECT *, x AS prediction FROM __THIS__ LATERAL VIEW explode(array(1, 2)) AS part",
    "inline": "SELECT *, x AS prediction, explode(sequence(1, u)) AS part FROM __THIS__",
    "join": "SELECT t.*, x AS prediction FROM __THIS__ t JOIN (VALUES (1), (1)) AS o(v) ON t.u = o.v",
    "left join": "SELECT t.*, x AS prediction FROM __THIS__ t LEFT JOIN (VALUES (1), (1)) AS o(v) ON t.u = o.v",
    "cross join": "SELECT *, x AS prediction FROM __THIS__ CROSS JOIN range(2)",
    "lateral join": "SELECT *, x AS prediction FROM __THIS__, LATERAL (SELECT x + 1 AS x1)",
    "union": "SELECT *, x AS prediction FROM __THIS__ UNION ALL SELECT *, z FROM __THIS__",
    "group": "SELECT *, max(1) AS prediction FROM __THIS__ GROUP BY ALL",
    "distinct": "SELECT DISTINCT *, x AS prediction FROM __THIS__",
    "limit": "SELECT *, x AS prediction FROM __THIS__ ORDER BY ID LIMIT 3",
    "offset": "SELECT *, x AS prediction FROM __THIS__ ORDER BY ID OFFSET 1",
    "sample": "SELECT *, x AS prediction FROM __THIS__ TABLESAMPLE (50 PERCENT)",
}


def predictors() -> list[Any]:
    """Scalers beside one another, and behind them the common models, each of which predicts a column of its name."""
    scalers: dict[str, Any] = {
        "standard": T.StandardScaler(withMean=True),
        "min-max": T.MinMaxScaler(),
        "pca": T.PCA(k=1),
    }
    models: dict[str, Any] = {
        "linear": R.LinearRegression(labelCol="y"),
        "isotonic": R.IsotonicRegression(labelCol="y"),
        "tree": R.DecisionTreeRegressor(labelCol="y", maxDepth=2),
        "gbt": R.GBTRegressor(labelCol="y", maxIter=2, maxDepth=2, seed=1),
        "k-means": K.KMeans(k=3, seed=1, maxIter=2),
        "logistic": C.LogisticRegression(labelCol="k", maxIter=3),
        "forest": C.RandomForestClassifier(labelCol="k", numTrees=3, maxDepth=2, seed=1),
        "naive-bayes": C.NaiveBayes(labelCol="k"),
        "perceptron": C.MultilayerPerceptronClassifier(labelCol="k", layers=[2, 3, 2], maxIter=2, seed=1),
        "linear-svc": C.LinearSVC(labelCol="k", maxIter=2),
    }
    lines = {name: R.LinearRegression(labelCol="y", featuresCol=f"{name} features") for name in scalers}
    for name, scaler in scalers.items():
        scaler.setInputCol("features").setOutputCol(f"{name} features")
    for name, model in models.items():
        for column in ("rawPrediction", "probability"):
            if model.hasParam(f"{column}Col"):
                model.set(model.getParam(f"{column}Col"), f"{name} {column}")
    for name, model in {**models, **lines}.items():
        model.setPredictionCol(f"{name} prediction")
    return [vector("x", "z"), *scalers.values(), *lines.values(), *models.values()]


PIPELINES: dict[str, Callable[[], list[Any]]] = {
    "string-indexer-error": lambda: indexed("error"),
    "string-indexer-skip": lambda: indexed("skip"),
    "string-indexer-keep": lambda: indexed("keep"),
    "one-hot-of-a-number": lambda: [
        T.OneHotEncoder(inputCols=["u"], outputCols=["uv"]),
        vector("x", "uv"),
        R.LinearRegression(labelCol="y"),
    ],
    "one-hot-in-a-validation": lambda: validated(T.OneHotEncoder(inputCol="u", outputCol="uv"), vector("x", "uv")),
    "polynomial": lambda: [
        T.StringIndexer(inputCol="c", outputCol="ci"),
        T.OneHotEncoder(inputCol="ci", outputCol="cv"),
        T.VectorAssembler(inputCols=["x", "cv"], outputCol="raw"),
        T.PolynomialExpansion(inputCol="raw", outputCol="powers"),
        vector("powers", "z"),
        R.LinearRegression(labelCol="y", regParam=0.1),
    ],
    "bucketizer": lambda: [
        T.Bucketizer(
            inputCols=["x", "u"], outputCols=["b", "ub"], splitsArray=[[0.0, 5.0, 10.0, 100.0], [0.0, 2.0, 5.0]]
        ),
        vector("b", "ub", "z"),
        R.LinearRegression(labelCol="y"),
    ],
    "imputer": lambda: [
        T.Imputer(inputCols=["x", "z"], outputCols=["xi", "zi"]),
        vector("xi", "zi"),
        R.LinearRegression(labelCol="y"),
    ],
    "tokenizer-hashing": lambda: [
        T.Tokenizer(inputCol="t", outputCol="words"),
        T.HashingTF(inputCol="words", outputCol="features", numFeatures=16),
        R.LinearRegression(labelCol="y", regParam=0.1),
    ],
    "r-formula": lambda: [T.RFormula(formula="y ~ x + c"), R.LinearRegression()],
    "sql-transformer": lambda: [
        T.SQLTransformer(statement="SELECT *, x * 2 AS x2 FROM __THIS__"),
        vector("x2", "z"),
        R.LinearRegression(labelCol="y"),
    ],
    "predictors": predictors,
    # what these two hold besides stages that run must not be taken for such, which come before others
    "one-vs-rest": lambda: [
        T.Imputer(inputCol="x", outputCol="xi"),
        vector("xi", "z"),
        C.OneVsRest(labelCol="k", classifier=C.LogisticRegression(maxIter=2)),
    ],
    "cross-validated": lambda: [
        T.Imputer(inputCol="z", outputCol="zi"),
        *validated(T.Imputer(inputCol="x", outputCol="xi"), vector("xi", "zi")),
    ],
}
