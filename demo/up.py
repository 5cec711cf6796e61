"""`make up`: runs an invented library, with Airflow's user interface, until Ctrl-C."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bursar.errors import BursarError
from demo.airflow import APPROVER
from demo.history import make_history
from demo.library import Library, embedded_library
from demo.library_system import ACCOUNT
from demo.office import create_input_folders
from demo.processes import private_file
from demo.profiles import limit_exports, write_demo_include

STATE = Path(__file__).resolve().parents[1] / ".local" / "up"
PORT = 8080  # of Airflow, if it is free
say = partial(print, flush=True)


def main(state: Path = STATE) -> int:
    """Runs the library in its folder and prints its addresses; returns the exit status."""
    include = write_demo_include(state / "include")
    limit_exports(include)
    os.environ["BURSAR_INCLUDE"] = str(include)
    complete = state / "complete"
    afresh = not complete.exists()  # a start that was interrupted is repeated
    try:
        with (
            embedded_library(state, reads_systems=True, afresh=afresh, port=PORT, say=say) as library,
            _shell_variables(state / "env", {**library.env, "BURSAR_INCLUDE": str(include)}),
        ):
            create_input_folders(state / "bursars", include)
            if afresh:
                make_history(library, include, say)
                complete.touch()
            say(_where(library, state))
            while True:
                library.airflow.check()
                time.sleep(1)
    except KeyboardInterrupt:
        say(f"\nEverything has stopped. The data are kept in {state} for the next start.")
        return 0
    except BursarError as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def _shell_variables(file: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Writes connections, settings and the folder of profiles of the running library to a file.

    `bin/bursar` and `bin/bursar-office` read it.
    """
    private_file(file, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items()))
    try:
        yield
    finally:
        file.unlink()


def _where(library: Library, state: Path) -> str:
    airflow = library.airflow
    return f"""
Airflow         {airflow.address}  (user {airflow.user} or {APPROVER}, password {airflow.password})
Pages           {airflow.address}/plugin/bursar
Approval        an export of Student Accounts waits; {airflow.user} has triggered it, so {APPROVER} may approve it
Sources         files of the library's system, FOLIO and Koha; a rejected row, a deferred row and an event wait
Library's files {state / ACCOUNT}
Bursars' files  {state / "bursars"}
Mails           {state / "mails"}, as HTML for a browser
Profiles        {state / "include" / "profiles"}; the examples there are written again at each start
Source files    {state / "include" / "sources"}; likewise
Command line    bin/bursar, and bin/bursar-office to play the bursars, in another terminal

Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
