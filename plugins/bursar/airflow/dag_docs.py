"""The documentation of a DAG, generated from its profile, for the librarian who opens it in Airflow."""

from collections.abc import Mapping

from bursar.money import pluralize
from bursar.profiles import Profile, Settings


def export_docs(profile: Profile, settings: Settings) -> str:
    """What an export DAG does and with which settings, as Markdown."""
    export = profile.export
    rows = {
        "Bursar system": profile.system_description or profile.system,
        "Schedule": f"{export.schedule.words} ({profile.time_zone})",
        "Time before export": pluralize(export.time_before_export_days, "day"),
        "Minimum amount for user": export.minimum_amount_for_user or "none; credits are included",
        "User identifier type": export.user_identifier_type,
        "User groups": ", ".join(export.user_groups) or "all",
        "Fine/fee types": ", ".join(export.fine_fee_types) or "all",
        "Institutional fine/fee": "yes" if export.institutional_fine_fee else "no",
        "Libraries": ", ".join(export.libraries) or "none",
        "S/FTP connection": f"`{profile.sftp_connection}`",
        "Output file path": f"`{export.output_file_path}`",
        "After export": (
            "fines stay active until the bursar reports them as paid (import section active)"
            if profile.import_.active
            else "fines count as paid (import section not active)"
        ),
    }
    limits = profile.export.approval
    approval = (
        "\n   **approve** waits for a person under *Required Actions* if the batch is beyond the profile's limits. "
        f"Refused, or unanswered for {pluralize(limits.timeout_hours, 'hour')}, nothing is sent and the fines are open "
        "again."
        if limits.is_limited
        else ""
    )
    return f"""### {profile.name}

{profile.description or ""}

Exports the fines and fees of {settings.institution_name} that this profile asks for, as a file, and closes them:

1. **recover_unfinished_batches** ends what a failed run left: what may be sent is carried to its end, the rest let go.
2. **select_fines** freezes the fines into a batch. What stays, stays open, and the task's XCom says why.
3. **build_file** writes the XML file and compares it with the batch. No fines: the rest is skipped.{approval}
4. **upload_file** brings it into the bursar's folder under a temporary name and renames it. It is sent once.
5. **close_fines** closes the fines. Only what was delivered is closed.
6. **report_run** records what the run did, for `bin/bursar runs list` and the run's note. Red, if the run failed.

*Trigger* shows a form: measure ages as of another moment; a dry run, which builds the file but sends, closes and
holds nothing; or send the file of a batch again.

A failed task can be repeated at any time (*Clear*): it does what is left. `bin/bursar batches list` lists the
unfinished.

{_table(rows)}
"""


def import_docs(profile: Profile, settings: Settings) -> str:
    """What an import DAG does and with which settings, as Markdown."""
    section = profile.import_
    rows = {
        "Bursar system": profile.system_description or profile.system,
        "Schedule": f"{section.schedule.words} ({profile.time_zone})",
        "S/FTP connection": f"`{profile.sftp_connection}`",
        "Input file path": f"`{section.input_file_path}`",
        "Files": " ".join(f"`{pattern}`" for pattern in section.file_patterns),
        "A file is finished": (
            f"when `{section.done_file_suffix}`, behind its name, lies beside it"
            if section.done_file_suffix
            else f"when size and time have stayed the same for {pluralize(section.stable_for_seconds, 'second')}"
        ),
        "Waiting time": (
            f"{pluralize(section.timeout_minutes, 'minute')}; a run without a file "
            f"{'is skipped' if section.on_timeout == 'skip' else 'fails'}"
        ),
        "Sums in the file": (
            "payments (incremental)" if section.amount_mode == "incremental" else "all payments so far (cumulative)"
        ),
    }
    return f"""### {profile.name}

{profile.description or ""}

Imports what the bursar reports as paid to {settings.institution_name}, and marks the fines as transferred:

1. **wait_for_files** waits in Airflow's triggerer until files are ready. Each of them is imported on its own:
2. **load_file** checks the file and brings its records into the ledger. What is no payment file, or
   holds no payment that is recognised, is moved to `failed`.
3. **apply_payments** pays the fines, each record once. The same file is never applied twice, whatever it is called.
4. **archive_file** moves the file to `processed`, and lists the records that had no effect in a report.
5. **report_run** records what the run did, for `bin/bursar runs list` and the run's note. Red, if the run failed.

A failed task can be repeated at any time (*Clear*): it does what is left. `bin/bursar imports list` lists the files and
what became of them, `bin/bursar imports rejects <file>` prints the records without effect.

{_table(rows)}
"""


def _table(rows: Mapping[str, object]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in rows.items())])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
