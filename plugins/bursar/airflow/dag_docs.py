"""Generates the documentation of a DAG from its profile or source, for librarians who open the DAG in Airflow."""

from collections.abc import Mapping

from bursar.escaping import escape_markdown, escape_sentence
from bursar.money import pluralize
from bursar.page_names import Page
from bursar.profiles import Profile, Settings
from bursar.profiles.model import Import, Statement
from bursar.sources.csv.model import CsvSource
from bursar.sources.model import Source
from bursar.sources.system_model import SystemSource


def export_docs(profile: Profile, settings: Settings) -> str:
    """Describes the tasks and the settings of an export DAG, as Markdown."""
    institution = escape_markdown(settings.institution_name)
    limits = profile.export.approval
    approval = (
        "\n   **wait_for_approval** waits for an answer under *Required Actions* if the batch exceeds the limits of "
        "the profile. After a rejection, or without an answer within "
        f"{pluralize(limits.timeout_hours, 'hour')}, nothing is uploaded and the fines are open again."
        + ("" if limits.requester_may_approve else " The person who triggered the run may not approve it.")
        if limits.is_limited
        else ""
    )
    server = profile.export.upload
    previous = (
        "\n   **wait_for_previous_file** waits until the bursar has collected the file of the previous export, for at "
        f"most {pluralize(server.previous_file_timeout_minutes, 'minute')}. Then it fails, and nothing is uploaded."
        if server.previous_file == "wait"
        else ""
    )
    name = "under its final name, once" if server.method == "direct" else "under a temporary name, once, and renames it"
    return f"""### {escape_markdown(profile.name)}

{_paragraph(profile.description or "")}

Exports the fines and fees of {institution} that this profile selects, as a file, and closes them:

1. **recover_unfinished_batches** completes the batches of failed runs that may have been uploaded, and releases the
   others.
2. **select_fines** selects the fines that are due, and claims them for a batch. Other fines stay open; the XCom of
   the task counts them by reason.
3. **build_file** builds the XML file and compares it with the batch. Without fines the next tasks are
   skipped.{approval}{previous}
4. **upload_file** uploads the file into the bursar's folder {name}.
5. **close_fines** closes the fines of the delivered batch.
6. **report_run** records the report of the run, for *{Page.HISTORY}* and the note of the run. It fails if the run has
   failed.

*Trigger* shows a form with three options: measure the age of fines as of another moment; a dry run, which builds the
file but uploads, closes and claims nothing; or send the file of a batch again.

A failed task can be repeated at any time (*Clear*); work that is done is not repeated. *{Page.WAITING}* lists the
unfinished batches.

{_table(describe_export(profile))}
"""


def import_docs(profile: Profile, settings: Settings) -> str:
    """Describes the tasks and the settings of an import DAG, as Markdown."""
    institution = escape_markdown(settings.institution_name)
    return f"""### {escape_markdown(profile.name)}

{_paragraph(profile.description or "")}

Imports the payments that the bursar reports to {institution}, and marks the fines as transferred:

1. **wait_for_files** waits in Airflow's triggerer until payment files are ready. Each file is then imported on its own:
2. **load_file** checks the file and loads its records into the ledger. A file that is not a payment file, or has no
   payment that is recognised, is moved to `failed`.
3. **apply_payments** applies the payments to the fines, each record once. A file that comes again, even under another
   name, is not applied again, unless a person asks for it.
4. **archive_file** moves the file to `processed`, and writes a report of the records that a person has to look at.
5. **report_run** records the report of the run, for *{Page.HISTORY}* and the note of the run. It fails if the run has
   failed.

A failed task can be repeated at any time (*Clear*); work that is done is not repeated. The job report of a run has
its files with their states, and the records to look at.

{_table(describe_import(profile))}
"""


def statement_docs(profile: Profile, settings: Settings) -> str:
    """Describes the tasks and the settings of a DAG of statements, as Markdown."""
    institution = escape_markdown(settings.institution_name)
    return f"""### {escape_markdown(profile.name)}

{_paragraph(profile.description or "")}

Compares what the bursar says in its statements with the ledger of {institution}. Nothing is changed:

1. **wait_for_files** waits in Airflow's triggerer until statements are ready. Each is then compared on its own:
2. **compare_file** compares each fine, or the total of each user, and records what agrees and what differs. A file that
   is no statement is moved to `failed`.
3. **archive_file** moves the file to `processed`.
4. **report_run** records the report of the run, for *{Page.HISTORY}* and the note of the run. It fails if the run has
   failed.

*{Page.STATEMENTS}* lists the differences of each statement. A failed task can be repeated at any time (*Clear*).

{_table(describe_statements(profile))}
"""


def sync_docs(source: CsvSource, settings: Settings) -> str:
    """Describes the tasks and the settings of the DAG of a source, as Markdown."""
    institution = escape_markdown(settings.institution_name)
    return f"""### {escape_markdown(source.name)}

Loads users and fines of {institution} from the files of this source into the ledger:

1. **wait_for_files** waits in Airflow's triggerer until the files are ready.
2. **load_files** loads them. Good rows are loaded, bad ones are rejected and listed. If too many are bad, it is most
   likely the wrong file: then nothing of it is loaded, and it is moved to `failed`. Loaded files are moved away.
3. **report_run** records the report of the run, for *{Page.HISTORY}* and the note of the run. It fails if the run has
   failed.

*Trigger* shows a form with one option: a dry run, which counts what a load would change, and changes nothing.

A failed task can be repeated at any time (*Clear*); work that is done is not repeated. The job report of a run names
its loads, and counts the rows to look at.

{_table(describe_source(source))}
"""


def system_docs(source: SystemSource, settings: Settings) -> str:
    """Describes the tasks and the settings of the DAG of a library's system, as Markdown."""
    institution = escape_markdown(settings.institution_name)
    return f"""### {escape_markdown(source.name)}

Reads the fines of {institution} in the library's system, and informs it of what became of them:

1. **write_events** writes the events that are due, each once: a fine was handed over to the bursar, paid there, or
   reversed. It looks for each event in the system first. Refused ones wait for a person.
2. **load_fines** reads what changed since the last reading, and once a day all fines that are open, and loads them,
   also if events could not be written. Good rows are loaded, bad ones are rejected and listed.
3. **report_run** records the report of the run, for *{Page.HISTORY}* and the note of the run. It fails if the run has
   failed.

*Trigger* shows a form with one option: a dry run, which reads, and changes nothing here or there.

A failed task can be repeated at any time (*Clear*); work that is done is not repeated. After an export, the next run
closes its fines in the library's system.

{_table(describe_source(source))}
"""


def describe_source(source: Source) -> dict[str, object]:
    """Returns the settings of a source by their names, in words."""
    own = _describe_files(source) if isinstance(source, CsvSource) else {}
    own |= _describe_system(source) if isinstance(source, SystemSource) else {}
    return {
        "Schedule": f"{source.schedule.words} ({source.time_zone})",
        **own,
        "Nothing is loaded": (
            f"if more than {source.max_rejected_percent} % of the rows of a kind are rejected, and at least "
            f"{source.min_rejected_rows}"
        ),
    }


def _describe_system(source: SystemSource) -> dict[str, object]:
    on, show = (source.write_back.kinds_in_mode(mode) for mode in ("on", "show"))
    return {
        "Kind": source.kind,
        "Connection": f"`{source.connection}`",
        "A fine is closed in the library's system": (
            "when it is handed over to the bursar" if source.closes_fines_when == "handed_over" else "when it is paid"
        ),
        "Events that are written there": ", ".join(kind.replace("_", " ") for kind in on) or "none",
        "Events that are only listed": ", ".join(kind.replace("_", " ") for kind in show) or "none",
    }


def _describe_files(source: CsvSource) -> dict[str, object]:
    stays = source.after_load == "leave"
    return {
        "S/FTP connection": f"`{source.connection}`" if source.connection else "none: a folder of the machine",
        "Folder": f"`{source.folder}`",
        **{f"Files of {kind}": f"`{pattern}`" for kind, pattern in source.files.by_kind.items()},
        "A file is complete": _describe_completeness(source.done_file_suffix, source.stable_for_seconds),
        "Waiting time": (
            f"{pluralize(source.timeout_minutes, 'minute')}; a run without files "
            f"{'is skipped' if source.on_timeout == 'skip' else 'fails'}"
        ),
        "After a load": "the files stay" if stays else f"the files are moved to `{source.archive_folder}`",
        "The file of fines has all open fines": "yes" if source.complete else "no",
        "The library's system closes exported fines": "yes" if source.closes_exported_fines else "no",
    }


def describe_export(profile: Profile) -> dict[str, object]:
    """Returns the settings of the export section by their names, in words."""
    export = profile.export
    return {
        "Bursar system": profile.system_description or profile.system,
        "Schedule": f"{export.schedule.words} ({profile.time_zone})",
        "Time before export": pluralize(export.time_before_export_days, "day"),
        "Minimum amount for user": export.minimum_amount_for_user or "none; credits are included",
        "User identifier type": export.user_identifier_type,
        "User groups": ", ".join(export.user_groups) or "all",
        "Fine/fee types": ", ".join(export.fine_fee_types) or "all",
        "Institutional fine/fee": "yes" if export.institutional_fine_fee else "no",
        "Libraries": ", ".join(export.libraries) or "none",
        "Currencies": ", ".join(export.currencies) or "all",
        "Credits and reversals": f"sent by {export.credits_profile}"
        if export.credits_profile
        else "sent by this profile",
        "S/FTP connection": f"`{profile.sftp_connection}`",
        "Output file path": f"`{export.output_file_path}`",
        "Layout": _describe_layout(export.layout),
        "After export": (
            "fines stay active until the bursar reports them as paid (import section active)"
            if profile.import_.active
            else "fines count as paid (import section not active)"
        ),
    }


def describe_import(profile: Profile) -> dict[str, object]:
    """Returns the settings of the import section by their names, in words."""
    section = profile.import_
    return {
        "Bursar system": profile.system_description or profile.system,
        **_describe_inbox(profile, section),
        "Amounts in the file": (
            "payments (incremental)" if section.amount_mode == "incremental" else "all payments so far (cumulative)"
        ),
        "An overpayment waits for a person": (
            "beyond the amount of its fine" if section.max_overpayment is None else f"beyond {section.max_overpayment}"
        ),
    }


def describe_statements(profile: Profile) -> dict[str, object]:
    """Returns the settings of the statement section by their names, in words."""
    section = profile.statement
    return {
        **_describe_inbox(profile, section),
        "A difference is pending": f"for {pluralize(section.pending_days, 'day')}, if something on its way explains it",
    }


def _describe_inbox(profile: Profile, section: Import | Statement) -> dict[str, object]:
    end = "is skipped" if section.on_timeout == "skip" else "fails"
    return {
        "Schedule": f"{section.schedule.words} ({profile.time_zone})",
        "S/FTP connection": f"`{profile.sftp_connection}`",
        "Input file path": f"`{section.input_file_path}`",
        "Files": " ".join(f"`{pattern}`" for pattern in section.file_patterns),
        "Layout": _describe_layout(section.layout),
        "A file is complete": _describe_completeness(section.done_file_suffix, section.stable_for_seconds),
        "Waiting time": f"{pluralize(section.timeout_minutes, 'minute')}; a run without a file {end}",
    }


def _describe_layout(layout: str | None) -> str:
    return f"`{layout}`" if layout else "Alma's XML"


def _describe_completeness(done_file_suffix: str | None, stable_for_seconds: int) -> str:
    if done_file_suffix:
        return f"when there is a file of the same name with `{done_file_suffix}` at its end"
    return f"when its size and time have not changed for {pluralize(stable_for_seconds, 'second')}"


def _table(rows: Mapping[str, object]) -> str:
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {escape_sentence(str(value))} |" for name, value in rows.items())]
    )


def _paragraph(text: str) -> str:
    """Returns lines as they are, and their markup as text."""
    return "\n".join(map(escape_markdown, text.splitlines()))
