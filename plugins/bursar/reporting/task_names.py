"""The tasks of runs in words, for sentences and pages."""

from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "recover_unfinished_batches": "completion of earlier exports",
    "select_fines": "selection of the fines",
    "build_file": "building of the file",
    "wait_for_approval": "wait for the approval",
    "wait_for_previous_file": "wait for the previous file to be collected",
    "upload_file": "upload of the file",
    "close_fines": "closing of the fines",
    "wait_for_files": "wait for the files",
    "load_files": "loading of the files",
    "write_events": "writing into the library's system",
    "load_fines": "reading and loading of the fines",
    "load_file": "loading of the file",
    "apply_payments": "application of the payments",
    "archive_file": "archiving of the file",
    "check_limits": "check of the limits",
    "purge_users": "purge of the users",
    "waive_fines": "waiving of the fines",
    "report_run": "report of the run",
}


def describe_task(task: str) -> str:
    """Returns a task in words; its id may begin with the name of a group."""
    name = task.rpartition(".")[2]
    return _WORDS.get(name, name.replace("_", " "))
