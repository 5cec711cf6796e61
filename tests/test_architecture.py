"""What keeps the package's shape: the core knows no Airflow, and Airflow finds only what it should."""

import subprocess
import sys
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

PLUGINS = Path(__file__).parents[1] / "plugins"
MODULES = sorted(PLUGINS.rglob("*.py"))
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
