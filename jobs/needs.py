"""PROGRAM: what the Python that runs a program lacks is told in one line, before anything else is imported."""

import importlib.util
import sys

if lacking := [name for name in ("click", "numpy", "pyspark") if importlib.util.find_spec(name) is None]:
    print(
        f"error: {sys.executable} lacks {' and '.join(lacking)}; name another Python by PYSPARK_PYTHON or unset that, "
        f"or install there what README.md says of a platform's own Spark",
        file=sys.stderr,
    )
    sys.exit(2)
