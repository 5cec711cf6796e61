"""Measures a poke of the sensor in a folder that nobody clears: one listing over one connection, at any size.

PYTHONPATH=plugins .venv/bin/python -m bench.folder 10 1000 100000
"""

import sys

from bench import servers
from bench.__main__ import temporary_folder
from bench.report import MEGABYTE
from bench.rounds import Bench


def main() -> None:
    """Prints a table, a row for each number of files. The first poke records all of them, the second knows them."""
    if missing := servers.list_missing_packages():
        sys.exit(missing)
    print("| old files | first poke | second poke | memory | of that before the poke | connections |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        ledger = {"ledger": bench.url(bench.create_ledger(1))}
        incoming = server.disk / "in"
        incoming.mkdir()
        for files in map(int, sys.argv[1:] or ["100000"]):
            for number in range(files):
                (incoming / f"old-{number}.xml").touch()
            before = server.connections()
            first, second = (bench.run_stage("detect_files", dict(ledger)) for _ in range(2))
            connections = (server.connections() - before) / 2
            print(
                f"| {files:,} | {first['seconds']:.2f} s | {second['seconds']:.2f} s "
                f"| {second['memory'] / MEGABYTE:.0f} MB | {second['loaded'] / MEGABYTE:.0f} MB | {connections:.0f} |"
            )


if __name__ == "__main__":
    main()
