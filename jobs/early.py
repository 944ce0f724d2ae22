"""PROGRAM: imported before all else: what comes while a program still loads is told in one line, a signal or a module that is not there."""

import importlib.util
import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn, Optional


def _end(number: int, _: Optional[FrameType]) -> NoReturn:
    """Signal handler: nothing is to be cleaned up yet.

    An exception might be lost there: NumPy makes one that comes while its C code imports an ImportError, which is how
    PySpark finds out whether there is a NumPy.
    """
    _tell("interrupted; nothing was published")
    os._exit(128 + number)


def _tell(told: str) -> None:
    print(f"error: {told}", file=sys.stderr, flush=True)
    print(json.dumps({"status": "failed", "error": told}), flush=True)


# not where a test imports a program
if os.path.dirname(os.path.realpath(sys.argv[0])) == os.path.dirname(os.path.realpath(__file__)):
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)

if lacking := [name for name in ("click", "numpy", "pyspark") if importlib.util.find_spec(name) is None]:
    _tell(
        f"{sys.executable} lacks {' and '.join(lacking)}; name another Python by PYSPARK_PYTHON or unset that, "
        f"or install there what README.md says of a platform's own Spark"
    )
    sys.exit(2)
