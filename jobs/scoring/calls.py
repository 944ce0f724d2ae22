"""Columns that call a method of a Java class in generated code: Spark's own means for its typed datasets (docs/decisions/0011)."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Union

from py4j.java_gateway import JavaClass, JavaMember
from pyspark.sql import Column, DataFrame, SparkSession

SPARK_SQL = "org.apache.spark.sql"
EXPRESSIONS = f"{SPARK_SQL}.catalyst.expressions"
STRING, UTF8 = "java.lang.String", "org.apache.spark.unsafe.types.UTF8String"


class _Remembering(JavaClass):  # type: ignore[misc]  # py4j has no types
    """A Java class that py4j asks the JVM about once for each method, and not with each call of it."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, JavaMember):
            setattr(self, name, found)
        return found


@cache
def _remembered(client: Any, name: str) -> Any:
    return _Remembering(name, client)


def java_class(spark: SparkSession, name: str) -> Any:
    """A Java class by its full name, without py4j's questions to the JVM about each part of it."""
    jvm: Any = spark.sparkContext._jvm
    return _remembered(jvm._gateway_client, name)


def analysed(frame: DataFrame) -> Any:
    """The frame's plan as Spark has analysed it."""
    java: Any = frame
    return java._jdf.queryExecution().analyzed()


class Calls:
    """Makes Catalyst expressions; those written as SQL may name columns of the frame that they are used on."""

    def __init__(self, spark: SparkSession) -> None:
        """For columns of frames of `spark`."""
        context: Any = spark.sparkContext
        known: Any = spark
        self._spark = spark
        self._jvm: Any = context._jvm
        self._jsc: Any = context._jsc
        self._gateway: Any = context._gateway
        self.session: Any = known._jsparkSession  # the JVM's
        self._parser: Any = self.session.sessionState().sqlParser()
        self._loader: Any = self.java("java.lang.Thread").currentThread().getContextClassLoader()
        self._newer = not spark.version.startswith("3.")
        self._kinds, self._classes = dict[str, Any](), dict[str, Any]()
        self._none: Any = self._jvm.PythonUtils.toSeq([])

    def java(self, name: str) -> Any:
        """A Java class by its full name."""
        return java_class(self._spark, name)

    def known(self, class_name: str) -> bool:
        """Whether Spark's class path has the class."""
        try:
            self.class_of(class_name)
        except Exception:  # py4j wraps ClassNotFoundException
            return False
        return True

    def sql(self, text: str) -> Any:
        """An expression written as SQL."""
        return self._parser.parseExpression(text)

    def arguments(self, *texts: str) -> Any:
        """A sequence of expressions written as SQL. In one go: each question to the JVM takes as long as the parse does."""
        return self.sql(f"f({', '.join(texts)})").arguments()

    def columns_of(self, frame: DataFrame) -> Any:
        """A sequence of all columns of `frame`, to be used on it."""
        return analysed(frame).output()

    def frame(self, plan: Any) -> DataFrame:
        """The frame of a plan, once Spark has analysed what is not yet."""
        dataset = self.java(f"{SPARK_SQL}.{'classic.' if self._newer else ''}Dataset")
        return DataFrame(dataset.ofRows(self.session, plan), self._spark)

    def projected(self, plan: Any, columns: Sequence[Union[str, Column]]) -> Any:
        """`plan` with a projection on it, of columns and of those written as SQL; nothing is analysed yet."""
        texts = [column for column in columns if isinstance(column, str)]
        if len(texts) == len(columns):  # in one go, as in `arguments`
            named = self._parser.parsePlan(f"SELECT {', '.join(texts)}").projectList()
        else:
            named = self.seq([self.sql(it) if isinstance(it, str) else self.expression(it) for it in columns])
        return self.java(f"{SPARK_SQL}.catalyst.plans.logical.Project")(named, plan)

    def stub(self, plan: Any) -> Any:
        """A plan of no rows that has the columns of `plan`."""
        return self.java(f"{SPARK_SQL}.catalyst.plans.logical.LocalRelation")(
            plan.output(), self._none, False, *self._added()
        )

    def kind(self, ddl: str) -> Any:
        """A SQL type, as `double`."""
        if ddl not in self._kinds:
            self._kinds[ddl] = self.java(f"{SPARK_SQL}.types.DataType").fromDDL(ddl)
        return self._kinds[ddl]

    def object_of(self, class_name: str) -> Any:
        """The type of values that are Java objects: they live within an expression, and no column can be of it."""
        return self.java(f"{SPARK_SQL}.types.ObjectType")(self.class_of(class_name))

    def held(self, value: Any, class_name: str) -> Any:
        """A Java object that travels with the plan: every task has a copy of its own."""
        return self.java(f"{EXPRESSIONS}.Literal")(value, self.object_of(class_name))

    def shared(self, value: Any, class_name: str) -> Any:
        """A Java object of any size that does not change: the tasks of one machine have a copy between them."""
        broadcast = self._jsc.broadcast(value)
        return self.method(
            self.held(broadcast, "org.apache.spark.broadcast.Broadcast"), "value", self.object_of(class_name)
        )

    def static(self, class_name: str, method: str, kind: Any, *arguments: Any) -> Any:
        """A static method's result, never null but where an argument is."""
        return self._static(class_name, method, kind, self.seq(arguments))

    def static_of(self, class_name: str, method: str, kind: str, *arguments: str) -> Any:
        """The same, for a SQL type and `arguments` written as SQL."""
        return self._static(class_name, method, self.kind(kind), self.arguments(*arguments))

    def _static(self, class_name: str, method: str, kind: Any, arguments: Any) -> Any:
        java = self.java(f"{EXPRESSIONS}.objects.StaticInvoke")
        return java(self.class_of(class_name), kind, method, arguments, self._none, True, False, True, *self._added())

    def _added(self) -> list[Any]:
        """What Spark 4 wants to be told last, and has no need of."""
        return [self.java("scala.Option").empty()] if self._newer else []

    def method(self, target: Any, name: str, kind: Any, *arguments: Any, lasting: bool = False) -> Any:
        """A method's result, never null but where `target` or an argument is; `lasting` says that it changes the object."""
        java = self.java(f"{EXPRESSIONS}.objects.Invoke")
        return java(target, name, kind, self.seq(arguments), self._none, True, False, not lasting)

    def set(self, target: Any, setter: str, value: Any) -> Any:
        """`target`, once its method `setter`, which has no result, was called with `value`."""
        java = self.java(f"{EXPRESSIONS}.objects.InitializeJavaBean")
        return java(target, self.map_of({setter: value}))

    def string(self, target: Any) -> Any:
        """`target` as a Java string."""
        return self.method(target, "toString", self.object_of(STRING))

    def text(self, target: Any) -> Any:
        """`target` as a SQL string; bytes that are no characters are U+FFFD in it."""
        return self.from_java(self.string(target))

    def from_java(self, string: Any) -> Any:
        """A Java string as a SQL one."""
        return self.static(UTF8, "fromString", self.kind("string"), string)

    def column(self, expression: Any) -> Column:
        """`expression` as a column to select."""
        if self._newer:
            return Column(self.java(f"{SPARK_SQL}.classic.ExpressionUtils").column(expression))
        return Column(self.java(f"{SPARK_SQL}.Column")(expression))

    def expression(self, column: Column) -> Any:
        """What `column` is made of."""
        java: Any = column
        if self._newer:
            converter = self.java(f"{SPARK_SQL}.classic.ColumnNodeToExpressionConverter$")
            return getattr(converter, "MODULE$").apply(java._jc.node())
        return java._jc.expr()

    def class_of(self, name: str) -> Any:
        """The object that the JVM has of a class; what is raised names one that it has not."""
        if name not in self._classes:
            self._classes[name] = self.java("java.lang.Class").forName(name, True, self._loader)
        return self._classes[name]

    def array_of(self, class_name: str, items: Sequence[Any], *inner: int) -> Any:
        """A Java array of `items`; of arrays of the class where those have lengths, `inner`, of their own."""
        array = self._gateway.new_array(self.java(class_name), len(items), *inner)
        for at, item in enumerate(items):
            array[at] = item
        return array

    def map_of(self, items: Mapping[str, Any]) -> Any:
        """Scala's map of `items`."""
        return self._jvm.PythonUtils.toScalaMap(dict(items))

    def seq(self, items: Sequence[Any]) -> Any:
        """Scala's sequence of `items`."""
        return self._jvm.PythonUtils.toSeq(list(items))


@cache
def calls_of(spark: SparkSession) -> Calls:
    """The one for columns of frames of `spark`, which is made once: it asks the JVM for a dozen things that it needs."""
    return Calls(spark)
