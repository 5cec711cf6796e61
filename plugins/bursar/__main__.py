"""Starts `bin/bursar`, or says that it is not installed. Ctrl-C ends it quietly, also while modules are loaded."""

import os
import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    from bursar.commands.root import bursar
except ModuleNotFoundError as error:
    if (error.name or "bursar").partition(".")[0] == "bursar":
        raise
    raise SystemExit(
        f"Bursar is not installed: the package {error.name} is missing. Run `make installed` first, or `make up`, "
        "which also starts an invented library to try."
    ) from None

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
