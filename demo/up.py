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
from demo.library import Library, embedded_library
from demo.processes import private_file
from demo.profiles import write_include

STATE = Path(__file__).resolve().parents[1] / ".local" / "up"
FINES = 2_000
say = partial(print, flush=True)


def main(state: Path = STATE) -> int:
    """Runs the library in its folder and prints its addresses; returns the exit status."""
    include = os.environ["BURSAR_INCLUDE"] = str(write_include(state / "include"))
    try:
        with (
            embedded_library(state, fines=FINES, say=say) as library,
            _shell_variables(state / "env", {**library.env, "BURSAR_INCLUDE": include}),
        ):
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
    """Writes the connections and the folder of profiles of the running library to the file that `bin/bursar` reads."""
    private_file(file, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items()))
    try:
        yield
    finally:
        file.unlink()


def _where(library: Library, state: Path) -> str:
    airflow = library.airflow
    return f"""
Airflow         {airflow.address}  (user {airflow.user}, password {airflow.password})
Pages           {airflow.address}/plugin/bursar
Bursars' files  {state / "bursars"}
Mails           {state / "mails"}, as HTML for a browser
Profiles        {state / "include" / "profiles"}; the examples there are written again at each start
Command line    bin/bursar, in another terminal

Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
