"""The rules of the house: who may import whom (docs: shared design, section 2)."""

import ast
from pathlib import Path

import pytest

from tests.support.runs import REPO

SHARED = {"program", "cli", "config", "early"}
PROGRAMS = {"score", "train", "launch", *SHARED}
LAYERS = {
    "errors": set[str](),
    "documents": {"errors"},
    "contract": {"contract", "documents", "errors"},
    "scoring": {"scoring", "contract", "errors", "jvm"},
    "handoff": {"handoff", "contract", "errors"},
    "emr": {"emr", "documents", "errors"},
    # what the programs share: manners, no rows
    "program": {"handoff", "errors", "jvm"},
    "config": {"documents", "errors"},
    # read by the launcher too, which has no PySpark
    "cli": {"program", "config"},
    "jvm": {"errors"},
    # imported before all else
    "early": set(),
}
FILES = sorted((REPO / "jobs").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that the file imports, wherever in it the import stands, as full dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides what it names"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def layer(path: Path) -> str:
    """The folder of jobs/ that the file is in, or its own name."""
    return path.relative_to(REPO / "jobs").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_imports_run_one_way(path: Path) -> None:
    own = {name.split(".")[1] for name in imports(path) if name.startswith("jobs.")} - {"__version__"}
    here = layer(path)
    if here in LAYERS:
        assert own <= LAYERS[here]
    elif here in PROGRAMS:
        assert not own & (PROGRAMS - SHARED), "programs never import each other"
    outside = {name.split(".")[0] for name in imports(path)}
    if here in {"emr", "launch"}:
        assert not outside & {"pyspark", "py4j"}, "launching needs no Java"
    if here not in PROGRAMS:
        assert "click" not in outside, "only programs import click"


def test_every_file_is_held_to_a_rule() -> None:
    assert {layer(path) for path in FILES} <= {*LAYERS, *PROGRAMS, "__init__"}
    assert not imports(REPO / "jobs" / "__init__.py")


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) not in PROGRAMS], ids=lambda p: str(p.relative_to(REPO)))
def test_only_programs_exit(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"exit", "quit", "sys.exit", "os._exit"}
        assert not (isinstance(node, ast.Name) and node.id == "SystemExit")
