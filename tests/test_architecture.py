"""What keeps the package's shape: the core knows no Airflow, and Airflow finds only what it should."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

PLUGINS = Path(__file__).parents[1] / "plugins"
MODULES = sorted(PLUGINS.rglob("*.py"))
LAYERS = (  # from the top; docs/explanation/architecture.md shows them
    {"__main__", "plugin", "commands", "airflow", "web"},
    {"notifications", "reporting"},
    {"exports", "imports", "sources", "users"},
    {"layouts", "remote_files", "ledger"},
    {"db", "profiles", "progress", "work_dir"},
    {"money", "errors"},
)
KNOW_AIRFLOW = ("bursar/airflow/", "bursar/web/", "bursar/plugin.py")


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(PLUGINS).as_posix() for path in paths]


def test_the_core_imports_without_airflow() -> None:
    core = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in names(MODULES)
        if not name.startswith(KNOW_AIRFLOW)
    ]
    assert "bursar.exports.upload" in core
    program = (
        "import sys; sys.modules['airflow'] = None\n"
        f"for module in {core!r}: __import__(module)\n"
        "assert not [name for name in sys.modules if name.startswith('airflow.')]"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env={"PYTHONPATH": str(PLUGINS)})  # noqa: S603


def test_airflow_executes_nothing_below_plugins_but_the_plugin() -> None:
    ignored = GitIgnoreSpec.from_lines((PLUGINS / ".airflowignore").read_text(encoding="utf-8").splitlines())
    assert [name for name in names(MODULES) if not ignored.match_file(name)] in ([], ["bursar/plugin.py"])


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_no_module_is_named_like_one_of_the_standard_library(path: Path) -> None:
    assert path.stem not in sys.stdlib_module_names


def imports_between_packages() -> dict[str, set[str]]:
    """By package or module directly below bursar, those that it imports."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        importer = path.relative_to(PLUGINS / "bursar").parts[0].removesuffix(".py")
        imported = found.setdefault(importer, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bursar."):
                imported.add((node.module or "").split(".")[1])
        imported.discard(importer)
    del found["__init__"]
    return found


def test_imports_point_downward_and_never_in_a_cycle() -> None:
    imports = imports_between_packages()
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    upward = [f"{one} -> {other}" for one, others in imports.items() for other in others if rank[other] < rank[one]]
    assert not upward
    TopologicalSorter(imports).prepare()  # raises CycleError
