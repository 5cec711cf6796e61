"""The tasks of the DAGs, called alone: no DAG, no Airflow context; a real ledger and a real server."""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from bursar.airflow import export_dag, import_dag, maintenance_dags
from bursar.airflow.export_dag import ExportRun
from bursar.airflow.import_dag import ImportRun
from bursar.airflow.maintenance_dags import MaintenanceRun
from bursar.airflow.run_params import ExportParams
from bursar.errors import BatchError, InputFileError
from bursar.ledger.jobs import Job
from bursar.profiles import Profile
from tests.airflow.conftest import Connect
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.payment_inbox import xml
from tests.support.servers import RemoteServer


@pytest.fixture
def profile(sftp_remote: RemoteServer, connect: Connect) -> Profile:
    """A profile whose connection, in Airflow's environment, is that of a real server."""
    return make_profile().model_copy(update={"sftp_connection": connect(sftp_remote.connection)})


def export_run(library: Library, profile: Profile, work_dir: Path, run_id: str = "run 1", **params: Any) -> ExportRun:
    requested: dict[str, Any] = {"as_of": NOW, "dry_run": False, "resend_batch": None} | params
    return ExportRun(
        profile=profile,
        settings=make_settings(work_dir=work_dir),
        engine=library.ledger,
        run_id=run_id,
        params=ExportParams(**requested),
        requested_by="admin",
        is_running=lambda _: False,
    )


def is_plain_json(summary: object) -> bool:
    """Whether Airflow can store a summary as an XCom without a serializer of its own."""
    return bool(json.loads(json.dumps(summary)) == summary)


def test_the_tasks_of_an_export(library: Library, profile: Profile, sftp_remote: RemoteServer, tmp_path: Path) -> None:
    run = export_run(library, profile, tmp_path)
    fine = library.fine(amount="12.50")

    assert export_dag.recover_unfinished_batches(run) == []
    selected = export_dag.select_fines(run)
    built = export_dag.build_file(run, selected)
    uploaded = export_dag.upload_file(run, built)
    closed = export_dag.close_fines(run, uploaded)

    batch_id, totals = selected["batch_id"], {"USD": {"charges": "12.500", "credits": "0"}}
    assert selected == {"batch_id": batch_id, "users": 1, "fines": 1, "totals": totals, "skipped": {}}
    [file] = (sftp_remote.disk / "out").iterdir()
    assert [(one["file_name"], one["size"]) for one in built["files"]] == [(file.name, file.stat().st_size)]
    assert (uploaded["file_names"], uploaded["batch_id"]) == ([file.name], batch_id)
    assert closed == {"batch_id": batch_id, "fines": 1, "totals": totals}
    assert library.position(fine)[0] == "CLOSED"
    assert all(is_plain_json(summary) for summary in (selected, built, uploaded, closed))


def test_an_export_without_fines_builds_nothing(library: Library, profile: Profile, tmp_path: Path) -> None:
    run = export_run(library, profile, tmp_path)
    with pytest.raises(AirflowSkipException, match="no fine is due for export"):
        export_dag.build_file(run, export_dag.select_fines(run))
    assert list(tmp_path.rglob("*.xml")) == []


def test_a_dry_run_builds_and_uploads_nothing(
    library: Library, profile: Profile, sftp_remote: RemoteServer, tmp_path: Path
) -> None:
    library.fine()
    work_dir = tmp_path / "work"
    run = export_run(library, profile, work_dir, dry_run=True)
    built = export_dag.build_file(run, export_dag.select_fines(run))
    with pytest.raises(AirflowSkipException, match="A dry run uploads nothing"):
        export_dag.upload_file(run, built)
    assert list(work_dir.rglob("*.xml")) == []
    assert list(sftp_remote.disk.iterdir()) == []


def test_the_next_run_recovers_a_batch_unless_it_is_a_dry_run(
    library: Library, profile: Profile, tmp_path: Path
) -> None:
    library.fine()
    selected = export_dag.select_fines(export_run(library, profile, tmp_path))

    dry = export_run(library, profile, tmp_path, "run 2", dry_run=True)
    assert export_dag.recover_unfinished_batches(dry) == []
    plain = export_run(library, profile, tmp_path, "run 3")
    recovered = export_dag.recover_unfinished_batches(plain)

    assert recovered == [{"batch_id": selected["batch_id"], "state": "RELEASED", "fines": 1}]
    assert is_plain_json(recovered)


def test_a_resend_uploads_the_same_file_and_closes_nothing(
    library: Library, profile: Profile, sftp_remote: RemoteServer, tmp_path: Path
) -> None:
    library.fine()
    run = export_run(library, profile, tmp_path)
    built = export_dag.build_file(run, export_dag.select_fines(run))
    export_dag.close_fines(run, export_dag.upload_file(run, built))
    [file] = (sftp_remote.disk / "out").iterdir()
    content = file.read_bytes()
    file.unlink()

    again = export_run(library, profile, tmp_path, "run 2", resend_batch=built["batch_id"])
    assert export_dag.recover_unfinished_batches(again) == []
    selected = export_dag.select_fines(again)
    export_dag.close_fines(again, export_dag.upload_file(again, export_dag.build_file(again, selected)))

    assert selected["batch_id"] == built["batch_id"]
    assert file.read_bytes() == content
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'EXPORTED'") == 1
    assert library.one("SELECT requested_by FROM deliveries WHERE kind = 'resend'") == "admin"


def test_a_resend_of_an_unknown_batch_fails_before_it_selects(
    library: Library, profile: Profile, tmp_path: Path
) -> None:
    with pytest.raises(BatchError, match="There is no batch 7"):
        export_dag.recover_unfinished_batches(export_run(library, profile, tmp_path, resend_batch=7))


@pytest.fixture
def import_run(library: Library, profile: Profile, sftp_remote: RemoteServer, tmp_path: Path) -> ImportRun:
    """A run of the import; the input folder exists on the server."""
    (sftp_remote.disk / "in").mkdir()
    settings = make_settings(work_dir=tmp_path / "work")
    return ImportRun(profile=profile, settings=settings, engine=library.ledger, run_id="run 1")


def test_the_tasks_of_an_import(
    library: Library, office: FakeBursar, import_run: ImportRun, sftp_remote: RemoteServer
) -> None:
    fine, transaction = office.export_fine("10.00")
    path = sftp_remote.disk / "in" / "payments.xml"
    path.write_bytes(xml(Payment(transaction, "10.00"), Payment("unknown", "1.00")))

    loaded = import_dag.load_file(import_run, "payments.xml")
    applied = import_dag.apply_payments(import_run, loaded)
    archived = import_dag.archive_file(import_run, applied)

    size = len((sftp_remote.disk / "in" / str(archived["archived_path"])).read_bytes())
    assert (loaded["file_name"], loaded["size"], loaded["records"]) == ("payments.xml", size, 2)
    assert not path.exists()
    assert _records(applied["outcomes"]) == {"PAID": 1, "UNMATCHED": 1}
    assert library.position(fine)[2] == Decimal(0)
    assert len(list((import_run.work_dir / "rejects").glob("payments.xml.*.csv"))) == 1
    assert {summary["file_id"] for summary in (loaded, applied, archived)} == {1}
    assert all(is_plain_json(summary) for summary in (loaded, applied, archived))


def test_a_repeated_file_is_a_warning_with_the_command_that_applies_it(
    office: FakeBursar, import_run: ImportRun, sftp_remote: RemoteServer, caplog: pytest.LogCaptureFixture
) -> None:
    _, transaction = office.export_fine("10.00")
    for name in ("a.xml", "b.xml"):
        (sftp_remote.disk / "in" / name).write_bytes(xml(Payment(transaction, "4.00")))
        import_dag.apply_payments(import_run, import_dag.load_file(import_run, name))
    (warning,) = (record.getMessage() for record in caplog.records if "same content" in record.getMessage())
    assert warning.startswith("b.xml has the same content as a.xml, which was applied before; it changed nothing.")
    assert "apply it, once, under Bursar > Waiting for a person (`bin/bursar imports apply-again 2`)." in warning


def test_the_limit_for_overpayments_is_that_of_the_profile(
    library: Library, office: FakeBursar, import_run: ImportRun, sftp_remote: RemoteServer
) -> None:
    _, transaction = office.export_fine("10.00")
    section = import_run.profile.import_.model_copy(update={"max_overpayment": 3})
    run = replace(import_run, profile=import_run.profile.model_copy(update={"import_": section}))
    (sftp_remote.disk / "in" / "a.xml").write_bytes(xml(Payment(transaction, "14.00")))
    applied = import_dag.apply_payments(run, import_dag.load_file(run, "a.xml"))
    assert _records(applied["outcomes"]) == {"OVERPAID_HELD": 1}
    assert applied["outcomes"]["OVERPAID_HELD"]["held"] == {"USD": "4.000"}
    assert library.one("SELECT count(*) FROM fines") == 1


def _records(outcomes: Mapping[str, Mapping[str, object]] | None) -> dict[str, object]:
    return {name: outcome["records"] for name, outcome in (outcomes or {}).items()}


def test_a_file_that_is_rejected_is_moved_to_failed(import_run: ImportRun, sftp_remote: RemoteServer) -> None:
    path = sftp_remote.disk / "in" / "notice.xml"
    path.write_bytes(b"Dear library")
    with pytest.raises(InputFileError):
        import_dag.load_file(import_run, "notice.xml")
    assert not path.exists()
    assert len(list((sftp_remote.disk / "in" / "failed").iterdir())) == 1


def test_the_tasks_of_the_jobs_over_users(library: Library) -> None:
    user = library.user()
    library.fine(user, "4.00")

    def run(run_id: str, **form: object) -> MaintenanceRun:
        return MaintenanceRun(
            job=Job.WAIVE if "threshold" in form else Job.PURGE,
            engine=library.ledger,
            settings=make_settings(),
            run_id=run_id,
            requested_by="anna",
            as_of=NOW,
            form=form,
        )

    waived = maintenance_dags.waive_fines(run("run 1", threshold="5", reason="Amnesty", dry_run=False))
    purged = maintenance_dags.purge_users(run("run 2", dry_run=True))

    assert (waived["users"], waived["fines"], waived["dry_run"]) == (1, 1, False)
    assert (purged["users"], purged["dry_run"], purged["skipped"]["no_date"]["users"]) == (0, True, 1)
    assert all(is_plain_json(summary) for summary in (waived, purged))
