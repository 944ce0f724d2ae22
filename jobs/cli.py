"""PROGRAM: the command lines of `score` and `train`, apart from them, as the launcher reads them too, which has no PySpark."""

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
Options that ./submit.sh hands to Spark:
  --py-files FILES  modules of your own Python stages, .py or .zip, separated by commas
  --spark SETTINGS  for example --spark '--master spark://host:7077 --executor-memory 4g'
"""


def _run_date(_: click.Context, __: click.Parameter, given: str) -> str:
    """A date as run folders are named."""
    try:
        # later Pythons also take 20261122, a name that no run folder has
        if date.fromisoformat(given).isoformat() == given:
            return given
    except ValueError:
        pass
    raise click.BadParameter(f"{given!r} is not a date; give YYYY-MM-DD")


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
    help="JSON file of the same options; the command line wins.",
)
OPTIONS: list[click.Parameter] = [
    _uri("model", "Folder of the saved PipelineModel."),
    _uri("input", "CSV or Parquet file, folder or glob; may be given several times.", multiple=True),
    _uri("schema", "Table Schema (JSON): what the input must look like."),
    _uri("policy", "Policy (JSON): which action a scored row gets."),
    _uri("output", "Folder in which each run is published as DATE/actions.csv."),
    click.Option(
        ["--run-date"],
        default=lambda: date.today().isoformat(),
        callback=_run_date,
        metavar="YYYY-MM-DD",
        help="Date of the run, default today; replaces {run_date} in every URI.",
    ),
    click.Option(
        ["--max-rejects"],
        default="0",
        show_default=True,
        metavar="N|N%",
        help="Publish nothing if more rows are rejected.",
    ),
    click.Option(
        ["--min-rows"],
        default=1,
        show_default=True,
        type=click.IntRange(0),
        metavar="N",
        help="Publish nothing if fewer rows are read.",
    ),
    click.Option(["--force"], is_flag=True, help="Publish again even if nothing has changed."),
    click.Option(
        ["--dry-run"], is_flag=True, help="Check all that can be checked without reading a row; publish nothing."
    ),
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
    _uri("schema", "Table Schema (JSON); need not have the label."),
    click.Option(["--label"], required=True, help="Column to predict."),
    click.Option(["--features"], required=True, metavar="A,B,…", help="Columns to predict it from."),
    _uri("model", "Folder for the PipelineModel; must not exist yet."),
    CONFIG,
]
COMMANDS = {"score": OPTIONS, "train": TRAIN}
