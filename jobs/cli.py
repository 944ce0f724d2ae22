"""PROGRAM: the command lines of `score` and `train`, apart from them, as they are read without PySpark too.

That of `score` before PySpark is loaded (docs/decisions/0017), and both by the launcher, which has none.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Optional

import click
from click.core import ParameterSource

from jobs import config, program

EXAMPLE = """\b
Example:
  ./submit.sh score --model s3://shop/models/price --schema schemas/homes.json --policy policy.json \\
    --input 's3://shop/in/{run_date}/*.csv' --output s3://shop/actions --max-rejects 0.5%
\b
For Spark, and for ./submit.sh alone:
  --py-files FILES  modules of the model's own Python stages, .py or .zip, with commas between
  --spark SETTINGS  as --spark '--master spark://host:7077 --executor-memory 4g'
"""


def _run_date(_: click.Context, __: click.Parameter, given: str) -> str:
    """A date as run folders are named."""
    try:
        # later Pythons also take 20261122, a name that no run folder has
        if date.fromisoformat(given).isoformat() != given:
            raise ValueError("written in another form")
    except ValueError as error:
        raise click.BadParameter(f"{given!r}: {error}; give YYYY-MM-DD") from error
    return given


def given(program_name: str, words: Sequence[str]) -> list[tuple[str, Optional[str]]]:
    """The options that `words`, and a --config among them, give a program, and always the run date; a flag has no value.

    Raises click's errors and `UsageError` for what the program itself would refuse.
    """
    command = click.Command(program_name, params=COMMANDS[program_name])
    context = command.make_context(f"./submit.sh {program_name}", [*words])
    found: list[tuple[str, Optional[str]]] = []
    for option in command.params:
        source = context.get_parameter_source(option.name or "")
        value = context.params.get(option.name or "")  # --config has none, nor has what is for the launcher
        # the run date is fixed here: the clock and time zone of another machine must not change which run this is
        if value is None or value is False or (source is ParameterSource.DEFAULT and option.name != "run_date"):
            continue
        for each in value if option.multiple else [value]:
            found.append((option.opts[0], None if each is True else str(each)))
    return found


def _uri(name: str, about: str, **more: Any) -> click.Option:
    return click.Option([f"--{name}"], required=True, metavar="URI", help=about, **more)


CONFIG = click.Option(
    ["--config"],
    is_eager=True,
    expose_value=False,
    callback=config.option,
    metavar="FILE",
    help="JSON file of these options.",
)
OPTIONS: list[click.Parameter] = [
    _uri("model", "Folder of the saved PipelineModel."),
    _uri("input", "CSV or Parquet file, folder or glob; repeatable.", multiple=True),
    _uri("schema", "Table Schema JSON of the input."),
    _uri("policy", "Policy JSON: which action a scored row gets."),
    _uri("output", "Folder under which each run is published."),
    click.Option(
        ["--run-date"],
        default=lambda: date.today().isoformat(),
        callback=_run_date,
        metavar="YYYY-MM-DD",
        help="Default: today. {run_date} in a URI becomes it.",
    ),
    click.Option(
        ["--max-rejects"],
        default="0",
        show_default=True,
        metavar="N|N%",
        help="Refuse the input when more rows are rejected.",
    ),
    click.Option(
        ["--min-rows"],
        default=1,
        show_default=True,
        type=click.IntRange(0),
        help="Refuse the input when fewer rows are read.",
    ),
    click.Option(["--force"], is_flag=True, help="Publish again although the same run is published."),
    click.Option(["--dry-run"], is_flag=True, help="Check everything that can be checked without reading a row."),
    CONFIG,
    click.Option(
        ["--status-uri"],
        is_eager=True,
        expose_value=False,
        callback=program.status_option,
        hidden=True,
        help="For the launcher.",
    ),
]

TRAIN: list[click.Parameter] = [
    _uri("input", "CSV or Parquet file, folder or glob."),
    _uri("schema", "Table Schema JSON; the label need not be in it."),
    click.Option(["--label"], required=True, help="Column to predict."),
    click.Option(["--features"], required=True, metavar="A,B,…", help="Columns to predict it from."),
    _uri("model", "Folder to save the PipelineModel in; must not exist."),
    CONFIG,
]
COMMANDS = {"score": OPTIONS, "train": TRAIN}
