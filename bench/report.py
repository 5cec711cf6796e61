"""What was measured, as tables: medians over the rounds, and each ratio within its round."""

import os
import platform
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

STAGES = {
    "export": {"select": ["COPY"], "build": ["xmllint"], "deliver": ["sftp put"], "close": ["UPDATE"]},
    "import": {"read": ["sftp get", "xmllint", "COPY"], "apply": ["UPDATE"], "archive_file": []},
}
"""Each stage of the product, and the steps of the reference that do the least of its work."""

MEGABYTE = 1024 * 1024


def machine() -> dict[str, Any]:
    """What it was measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def tables(found: dict[str, Any]) -> str:
    """All that was found, in Markdown."""
    of = found["machine"]
    memory = f"{of['memory'] / 2**30:.0f} GB"
    lines = [f"{of['processor']}, {of['cores']} cores, {memory}; {of['system']}, Python {of['python']}"]
    for size in found["sizes"]:
        for way, rounds in size["ways"].items():
            lines += ["", f"### {way.title()} of {size['fines']:,} fines", ""]
            lines += _table(rounds, STAGES[way], size["fines"])
    return "\n".join(lines)


def _table(rounds: list[dict[str, Any]], stages: dict[str, list[str]], fines: int) -> list[str]:
    lines = [
        "| stage | seconds | fines a second | peak memory | reference | seconds | ratio |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for stage, steps in [*stages.items(), ("total", list(chain.from_iterable(stages.values())))]:
        ours = list(stages) if stage == "total" else [stage]
        product = [sum(found["product"][name]["seconds"] for name in ours) for found in rounds]
        plain = [sum(found["reference"][step] for step in steps) for found in rounds]
        memory = max(found["product"][name]["memory"] for found in rounds for name in ours)
        ratio = f"{median(a / b for a, b in zip(product, plain, strict=True)):.2f}" if steps else ""
        cells = [
            stage.replace("_", " "), f"{median(product):.2f}", f"{fines / median(product):,.0f}",
            f"{memory / MEGABYTE:.0f} MB", "all" if stage == "total" else " + ".join(steps),
            f"{median(plain):.2f}" if steps else "", ratio,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines
