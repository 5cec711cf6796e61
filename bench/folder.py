"""What a look of the sensor takes in a folder that nobody clears: one listing over one connection, however full it is.

PYTHONPATH=plugins .venv/bin/python -m bench.folder 10 1000 100000
"""

import sys

from bench import servers
from bench.__main__ import temporary_folder
from bench.report import MEGABYTE
from bench.rounds import Bench


def main() -> None:
    """Prints a table, a row for each number of files: the first look takes note of all, the second knows them."""
    if refusal := servers.missing():
        sys.exit(refusal)
    print("| old files | first look | second look | memory | of that before the look | connections |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    with (
        temporary_folder() as folder,
        servers.postgres(folder / "postgres") as postgres,
        servers.ssh_server(folder) as server,
    ):
        bench = Bench(postgres, server, folder)
        ledger = {"ledger": bench.url(bench.fill(1))}
        incoming = server.disk / "in"
        incoming.mkdir()
        for files in map(int, sys.argv[1:] or ["100000"]):
            for number in range(files):
                (incoming / f"old-{number}.xml").touch()
            before = server.connections()
            first, second = (bench.product("detect_files", dict(ledger)) for _ in range(2))
            connections = (server.connections() - before) / 2
            print(
                f"| {files:,} | {first['seconds']:.2f} s | {second['seconds']:.2f} s "
                f"| {second['memory'] / MEGABYTE:.0f} MB | {second['loaded'] / MEGABYTE:.0f} MB | {connections:.0f} |"
            )


if __name__ == "__main__":
    main()
