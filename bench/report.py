"""Formats the figures as tables: medians over the rounds. A ratio is the median of the ratios within the rounds."""

import os
import platform
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

STAGES = {
    "export": {
        "select_fines": ["COPY"],
        "build_file": ["xmllint"],
        "upload_file": ["sftp put"],
        "close_fines": ["UPDATE"],
    },
    "import": {"load_file": ["sftp get", "xmllint", "COPY"], "apply_payments": ["UPDATE"], "archive_file": []},
    "load": {
        "load_new_fines": ["COPY + INSERT of new fines", "INSERT of their entries"],
        "load_known_fines": ["COPY + INSERT of known fines"],
        "load_more_fines": ["COPY + INSERT of a tenth more", "INSERT of these entries"],
    },
    "system": {
        "read": ["calls of the reading"],
        "load": [],
        "write_back": ["calls of the writing"],
        "read_changes": ["calls of the second reading"],
        "load_changes": [],
    },
}
"""Each stage of the product, and the steps of the reference that do a part of its work."""

MEGABYTE = 1024 * 1024


def describe_machine() -> dict[str, Any]:
    """Returns the processor, cores, memory (bytes), system and Python version of this machine."""
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


def format_tables(found: dict[str, Any]) -> str:
    """Returns all figures as tables in Markdown."""
    machine = found["machine"]
    memory = f"{machine['memory'] / 2**30:.0f} GB"
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {memory}; {machine['system']}, Python {machine['python']}"
    ]
    for size in found["sizes"]:
        for way, rounds in size["ways"].items():
            lines += ["", f"### {way[0].upper()}{way[1:]} of {size['fines']:,} fines", ""]
            if "write_back" in rounds[0]["product"]:
                lines += _system_table(rounds)
                continue
            if way == "build":
                lines += _build_table(rounds, size["fines"])
                continue
            lines += _table(rounds, STAGES[way], size["fines"])
            if way == "load":
                lines += ["", "Locked: the seconds for which the table of fines is locked.", ""]
                lines += [f"Ratios without the entries of the reference: {_list_bare_ratios(rounds)}."]
    return "\n".join([*lines, *(_airflow_table(found["airflow"]) if "airflow" in found else [])])


def _list_bare_ratios(rounds: list[dict[str, Any]]) -> str:
    ratios = {
        stage: [found["product"][stage]["seconds"] / found["reference"][step] for found in rounds]
        for stage, (step, *of_entries) in STAGES["load"].items()
        if of_entries
    }
    return ", ".join(f"{stage.replace('_', ' ')} {median(found):.2f}" for stage, found in ratios.items())


def _airflow_table(found: dict[str, Any]) -> list[str]:
    product, plain = ([one[name] for one in found["rounds"]] for name in ("product", "reference"))
    ratio = _median_ratio(product, plain)
    return [
        "",
        f"### Export of {found['fines']:,} fines on Airflow",
        "",
        "| run | seconds | reference | seconds | ratio |",
        "| --- | ---: | --- | ---: | ---: |",
        f"| export DAG | {median(product):.2f} | empty DAG of the same shape | {median(plain):.2f} | {ratio:.2f} |",
    ]


def _build_table(rounds: list[dict[str, Any]], fines: int) -> list[str]:
    lines = [
        "| file | select | build | fines a second | peak memory | size | of XML's time | COPY as CSV | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    xml = [found["product"]["XML"]["seconds"] for found in rounds]
    for kind in rounds[0]["product"]:
        product = [found["product"][kind] for found in rounds]
        built = [one["seconds"] for one in product]
        plain = [found["reference"][kind] for found in rounds]
        cells = [
            kind, f"{median(one['selected'] for one in product):.2f}", f"{median(built):.2f}",
            f"{fines / median(built):,.0f}", f"{max(one['memory'] for one in product) / MEGABYTE:.0f} MB",
            f"{product[0]['bytes'] / MEGABYTE:,.0f} MB", f"{_median_ratio(built, xml):.2f}",
            f"{median(plain):.2f}", f"{_median_ratio(built, plain):.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _system_table(rounds: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| stage | fines | calls | seconds | of the processor | fines a second | peak memory | bare calls | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stage, steps in STAGES["system"].items():
        costs = [found["product"][stage] for found in rounds]
        seconds = [cost["seconds"] for cost in costs]
        plain = [found["reference"][step] for found in rounds for step in steps]
        fines = costs[0]["fines"]
        cells = [
            stage.replace("_", " "), f"{fines:,}", f"{costs[0]['calls']:,}" if steps else "", f"{median(seconds):.2f}",
            f"{median(cost['processor'] for cost in costs):.2f}", f"{fines / median(seconds):,.0f}",
            f"{max(cost['memory'] for cost in costs) / MEGABYTE:.0f} MB", f"{median(plain):.2f}" if steps else "",
            f"{_median_ratio(seconds, plain):.2f}" if steps else "",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _median_ratio(seconds: list[float], others: list[float]) -> float:
    return median(a / b for a, b in zip(seconds, others, strict=True))


def _table(rounds: list[dict[str, Any]], stages: dict[str, list[str]], fines: int) -> list[str]:
    has_locks = "locked" in rounds[0]["product"][next(iter(stages))]
    locked_heading, locked_rule = (" locked |", " ---: |") if has_locks else ("", "")
    lines = [
        f"| stage | seconds |{locked_heading} fines a second | peak memory | reference | seconds | ratio |",
        f"| --- | ---: |{locked_rule} ---: | ---: | --- | ---: | ---: |",
    ]
    for stage, steps in [*stages.items(), ("total", list(chain.from_iterable(stages.values())))]:
        ours = list(stages) if stage == "total" else [stage]
        product = [sum(found["product"][name]["seconds"] for name in ours) for found in rounds]
        plain = [sum(found["reference"][step] for step in steps) for found in rounds]
        memory = max(found["product"][name]["memory"] for found in rounds for name in ours)
        ratio = f"{_median_ratio(product, plain):.2f}" if steps else ""
        locked = []
        if has_locks:
            locked.append(f"{median(sum(found['product'][name]['locked'] for name in ours) for found in rounds):.2f}")
        cells = [
            stage.replace("_", " "), f"{median(product):.2f}", *locked, f"{fines / median(product):,.0f}",
            f"{memory / MEGABYTE:.0f} MB", "all" if stage == "total" else " + ".join(steps),
            f"{median(plain):.2f}" if steps else "", ratio,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines
