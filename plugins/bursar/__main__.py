"""Starts `bin/bursar`. Ctrl-C ends it without a traceback, also while its modules are loaded."""

import os
import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from bursar.commands.root import bursar

__all__ = ["bursar"]


def main() -> None:
    """Runs the command of the command line."""
    # As in Airflow's own commands: connections that are stored in Airflow's database are found.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    # Airflow logs to standard output, which belongs to the command.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    bursar(prog_name="bin/bursar")


if __name__ == "__main__":
    main()
