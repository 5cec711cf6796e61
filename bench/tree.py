"""Measures the usual way: the document as one tree in memory, written by lxml and read by ElementTree.

PYTHONPATH=plugins .venv/bin/python -m bench.tree 100000
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import psycopg
from lxml import etree

from bench import servers
from bench.__main__ import temporary_folder
from bench.report import MEGABYTE
from bench.rounds import Bench
from bursar.layouts.alma_xml.namespace import NAMESPACE

ROOT = Path(__file__).parents[1]
FIELDS = (
    "comment", "fine_fee_type", "owner_library_id", "owner_library_code", "last_transaction_at", "item_title",
    "item_call_number", "item_library", "item_location", "item_internal_location", "item_due_date", "item_barcode",
    "currency", "amount", "vat", "transaction_id", "fine_id",
)  # fmt: skip


def build(ledger: str, file: Path) -> None:
    """Builds a tree of all lines, with an element for each value, and writes it."""
    root = etree.Element(f"{{{NAMESPACE}}}xml-fragment", nsmap={"xb": NAMESPACE})
    with psycopg.connect(ledger) as connection:
        for line in connection.execute(f"SELECT {', '.join(FIELDS)} FROM batch_lines ORDER BY number"):
            fine = etree.SubElement(root, f"{{{NAMESPACE}}}userFineFee")
            for name, value in zip(FIELDS, line, strict=True):
                text = "" if value is None else str(value).translate(dict.fromkeys(range(0x20), " "))
                etree.SubElement(fine, f"{{{NAMESPACE}}}{name}").text = text
    etree.ElementTree(root).write(str(file), encoding="UTF-8", xml_declaration=True)


def parse(_ledger: str, file: Path) -> None:
    """Reads a file into a tree, and all records from the tree."""
    tree = ET.parse(file)  # noqa: S314  a file of our own
    for fine in tree.iterfind(f".//{{{NAMESPACE}}}userFineFee"):
        fine.findtext(f"{{{NAMESPACE}}}transaction_id")


STEPS: dict[str, Callable[[str, Path], None]] = {"build": build, "parse": parse}


def main() -> None:
    """Prints a table, a row for each number of fines."""
    print("| fines | lxml builds a tree | memory | ElementTree parses one | memory |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        for fines in map(int, sys.argv[1:] or ["100000"]):
            name = bench.create_ledger(fines)
            bench.run_stage("select_fines", {"ledger": bench.url(name)})
            address = f"host={postgres.sockets} user=postgres dbname={name}"
            cells = [f"{fines:,}"]
            for step in STEPS:
                env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
                command = [sys.executable, "-m", "bench.tree", step, address, str(folder / "tree.xml")]
                said = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout  # noqa: S603
                seconds, memory = json.loads(said)
                cells += [f"{seconds:.1f} s", f"{memory:,.0f} MB"]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in STEPS:
        began = time.monotonic()
        STEPS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        print(json.dumps([time.monotonic() - began, peak / MEGABYTE]))
    else:
        main()
