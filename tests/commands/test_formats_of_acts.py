"""The results of commands that act: sentences for people, one record or a list of records for programs."""

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner

from bursar.__main__ import bursar
from bursar.exports.selection import select_fines
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings


def test_the_desk_prints_the_facts_of_a_fine(library: Library) -> None:
    fine = library.fine(amount="10.00")
    assert run_json("desk", "pay", str(fine), "4.00") | {"fine": fine, "balance": "6.00", "status": "ACTIVE"} == {
        name: value for name, value in run_json("fines", "show", str(fine))[0].items() if isinstance(value, str | None)
    } | {"fine": fine, "reversed_by": []}
    (row,) = csv.DictReader(io.StringIO(run("desk", "waive", str(fine), "1.00", "--format", "csv")))
    assert (row["fine"], row["balance"]) == (str(fine), "5.00")
    assert run_json("desk", "refund", str(fine), "1.00")["balance"] == "5.00"
    assert run_json("desk", "dispute", str(fine), "--comment", "no")["status"] == "DISPUTED"
    assert run_json("desk", "resolve-dispute", str(fine), "--comment", "yes")["status"] == "ACTIVE"
    assert run_json("desk", "reverse", str(fine), "2.00")["reverses"] == fine
    credit = run_json("desk", "credit", str(library.user()), "5", "--currency", "KWD")
    assert (credit["fine_fee_type"], credit["amount"]) == ("CREDIT", "-5.000")


def test_decisions_about_batches_print_the_batch(library: Library, tmp_path: Path) -> None:
    library.fine(library.user("00000001"), "12.50")
    select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    built = run_json("batches", "build-file", "1", "--into", str(tmp_path))
    assert Path(built["path"]).stat().st_size == built["size"]
    assert built["fines"] == 1
    released = run_json("batches", "release", "1")
    assert released == run_json("batches", "list", "--all")[0]
    assert released["state"] == "RELEASED"


def test_a_confirmation_asks_outside_of_the_data(library: Library) -> None:
    user = str(library.user())
    result = CliRunner().invoke(bursar, ["users", "delete", user, "--format", "json"], input="y\n")
    assert json.loads(result.stdout) == {"user": int(user), "is_deleted": True}
    assert "Delete the user?" in result.stderr


def test_a_released_overpayment_is_a_record(library: Library) -> None:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "100"))
    assert run_json("overpayments", "release", "1", "1")["decision"] == "released"
    message = "There is no profile NOBODY. Known profiles"
    assert message in run("overpayments", "list", "--profile", "NOBODY", exit_code=2)


def test_a_load_prints_its_counts(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("code,name\nLAW,Law\n", encoding="utf-8")
    assert run_json("sources", "load", "--groups", str(path))["counts"]["fines_added"] == 0


def test_written_schemas_are_records(include: Path) -> None:
    paths = [Path(record["path"]) for record in run_json("profiles", "write-schema")]
    assert {path.parent for path in paths} == {include}
