"""The architecture: dependencies point downward, the core knows no Airflow, and Airflow executes only the plugin."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

PLUGINS = Path(__file__).parents[1] / "plugins"
MODULES = sorted(PLUGINS.rglob("*.py"))
LEVELS = (
    {"__main__", "plugin", "web", "commands", "airflow"},
    {"notifications", "reporting"},
    {"exports", "imports", "sources", "statements", "users"},
    {"layouts", "remote_files", "ledger"},
    {"db", "profiles"},
    {"described_enum", "escaping", "moments", "money", "page_names", "progress", "work_dir"},
    {"errors"},
)
"""The parts of bursar from the top down. A part imports itself and those of lower levels."""
SAME_LEVEL = {
    ("__main__", "commands"): "the command line has all commands",
    ("plugin", "airflow"): "Airflow loads the listener by the plugin",
    ("plugin", "web"): "Airflow loads the pages by the plugin",
    ("web", "airflow"): "a page shows the DAGs, and uses the connections of Airflow",
    ("commands", "airflow"): "an operator uses the connections and the settings of Airflow",
    ("notifications", "reporting"): "a message describes the report of a run",
    ("users", "exports"): "a purge removes the files that name the users",
    ("sources", "imports"): "a source finds and fetches its files as an import does",
    ("statements", "imports"): "statements are found, fetched and unpacked as payment files are",
    ("users", "sources"): "a file of fine ids is rejected with the errors of its rows, like a CSV file",
    ("layouts", "ledger"): "a layout renders and checks a batch",
    ("progress", "money"): "the log has counts with their plurals",
    ("work_dir", "money"): "the log has counts with their plurals",
}
"""The imports within a level, from part to part, each with its reason."""
KNOW_AIRFLOW = ("bursar/airflow/", "bursar/web/", "bursar/plugin.py")


def get_module_name(path: Path) -> str:
    return path.relative_to(PLUGINS).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def find_imports(path: Path) -> set[str]:
    """Returns the modules that a module imports, also in functions; `from a import b` may mean a module `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@cache
def list_imports() -> dict[str, set[str]]:
    """Returns the modules of bursar that each one imports."""
    names = {get_module_name(path) for path in MODULES}
    return {get_module_name(path): find_imports(path) & names for path in MODULES}


LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}


def get_part(name: str) -> str:
    """Returns the part of a module: `exports` of `bursar.exports.build`; empty for the package `bursar` itself."""
    return ".".join(name.split(".")[1:2])


def get_relative_paths(paths: list[Path]) -> list[str]:
    return [path.relative_to(PLUGINS).as_posix() for path in paths]


def test_the_core_imports_without_airflow() -> None:
    core = [get_module_name(path) for path in MODULES if not get_relative_paths([path])[0].startswith(KNOW_AIRFLOW)]
    assert "bursar.exports.upload" in core
    program = (
        "import sys; sys.modules['airflow'] = None\n"
        f"for module in {core!r}: __import__(module)\n"
        "assert not [name for name in sys.modules if name.startswith('airflow.')]"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env={"PYTHONPATH": str(PLUGINS)})  # noqa: S603


def test_airflow_executes_only_the_plugin_below_plugins() -> None:
    ignored = GitIgnoreSpec.from_lines((PLUGINS / ".airflowignore").read_text(encoding="utf-8").splitlines())
    assert [name for name in get_relative_paths(MODULES) if not ignored.match_file(name)] in ([], ["bursar/plugin.py"])


@pytest.mark.parametrize("path", MODULES, ids=get_relative_paths(MODULES))
def test_no_module_has_a_name_of_the_standard_library(path: Path) -> None:
    assert path.stem not in sys.stdlib_module_names


def test_dependencies_point_downward() -> None:
    between = {
        (get_part(name), get_part(other))
        for name, others in list_imports().items()
        for other in others
        if get_part(name) != get_part(other) and get_part(other)
    }
    assert {get_part(name) for name in list_imports()} - {""} <= LEVEL_OF.keys(), "a new part needs its level"
    assert ("exports", "db") in between
    assert {pair for pair in between if LEVEL_OF[pair[0]] > LEVEL_OF[pair[1]]} == set()
    assert {pair for pair in between if LEVEL_OF[pair[0]] == LEVEL_OF[pair[1]]} == SAME_LEVEL.keys()


def test_there_are_no_import_cycles() -> None:
    TopologicalSorter(list_imports()).prepare()  # raises a CycleError that names the modules
