"""A library of stages for the JVM alone, in a jar, as a team that fits its models in Scala has one."""

import json
import zipfile
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from jobs.scoring.calls import java_class

# the team's own, one that is called like Spark's, and none
PACKAGES = ("shop", "org.apache.spark.ml.feature", "")
IMPORTS = """
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.UDTRegistration;
import org.apache.spark.sql.types.UserDefinedType;
"""
STAGE = """
public class %(name)s extends Transformer {
    private final String uid;
    public %(name)s(String uid) { this.uid = uid; }
    public String uid() { return uid; }
    public Transformer copy(ParamMap extra) { return this; }
    public static MLReader read() { return new DefaultParamsReader(); }
    public StructType transformSchema(StructType schema) { return schema.add("prediction", "double"); }
    public Dataset transform(Dataset frame) { return %(transformed)s; }
}
"""
# its uid is the expression that it predicts by: it has no other setting
PREDICTED = 'frame.withColumn("prediction", functions.expr(uid))'
STAGES = {
    "Predicting": PREDICTED,
    "Copying": f"{PREDICTED}.mapPartitions(new Same(), {PREDICTED}.encoder())",
    "Odd": f'{PREDICTED}.withColumn("odd", functions.lit(null).cast(new OddType()))',
    # Spark's own stage of that name predicts otherwise
    "LinearRegressionModel": PREDICTED,
}
SAME = """
class Same implements MapPartitionsFunction {
    public java.util.Iterator call(java.util.Iterator rows) { return rows; }
}

public class Point {
}

public class OddType extends UserDefinedType {
    static { UDTRegistration.register("shop.Point", "shop.OddType"); }
    public DataType sqlType() { return DataTypes.DoubleType; }
    public Object serialize(Object value) { return value; }
    public Object deserialize(Object value) { return value; }
    public Class userClass() { return Point.class; }
}
"""


def jar(spark: SparkSession, path: Path) -> Path:
    """The library, compiled by the compiler that Spark brings."""
    loader = java_class(spark, "java.lang.Thread").currentThread().getContextClassLoader()
    stages = [STAGE % {"name": name, "transformed": transformed} for name, transformed in STAGES.items()]
    with zipfile.ZipFile(path, "w") as packed:
        for package in PACKAGES:
            compiler = java_class(spark, "org.codehaus.janino.SimpleCompiler")()
            compiler.setParentClassLoader(loader)
            own = stages if package == "shop" else stages[:1]
            compiler.cook("".join([f"package {package};" if package else "", IMPORTS, *own, SAME]))
            for name, data in dict(compiler.getBytecodes()).items():
                packed.writestr(f"{name.replace('.', '/')}.class", bytes(data))
    return path


def model(stage: str, expression: str, folder: Path) -> Path:
    """A pipeline of an assembler and one such stage, as Spark saves it."""
    described = {
        "metadata": ("org.apache.spark.ml.PipelineModel", "pipeline", {"stageUids": ["assembler", expression]}),
        "stages/0_assembler/metadata": (
            "org.apache.spark.ml.feature.VectorAssembler",
            "assembler",
            {"inputCols": ["x"], "outputCol": "features"},
        ),
        f"stages/1_{expression}/metadata": (stage, expression, {}),
    }
    for path, (name, uid, params) in described.items():
        (folder / path).mkdir(parents=True)
        entry = {"class": name, "timestamp": 1, "sparkVersion": pyspark.__version__, "uid": uid, "paramMap": params}
        (folder / path / "part-00000").write_text(json.dumps({**entry, "defaultParamMap": {}}) + "\n")
    return folder
