"""`bin/bursar sources`, on a real ledger."""

from pathlib import Path

from tests.support.cli import run
from tests.support.fixtures import Library


def test_csv_files_are_loaded(library: Library, tmp_path: Path) -> None:
    users, fines = tmp_path / "users.csv", tmp_path / "fines.csv"
    users.write_text(
        "primary_id,last_name,first_name,user_group,expiry_date,purge_date,identifier:02\nada,Okonkwo,Ada,STUDENT,,,00451237\n"
    )
    fines.write_text(
        "fine_id,primary_id,fine_fee_type,amount,created_at,owner_library\nF1,ada,OVERDUEFINE,12.50,2026-01-01,MAIN\n"
    )
    output = run("sources", "load", "--users", str(users), "--fines", str(fines))
    assert "1 added" in output
    assert library.one("SELECT balance FROM fines WHERE source_id = 'F1'") == 12.5
    fines.write_text(
        "fine_id,primary_id,fine_fee_type,amount,created_at,owner_library\nF2,nobody,OVERDUEFINE,1,2026-01-01,MAIN\n"
    )
    assert f"{fines}:2: " in run("sources", "load", "--fines", str(fines))
    assert f"{fines}:2: " in run("sources", "load", "--strict", "--fines", str(fines), exit_code=1)
    assert "at least one file" in run("sources", "load", exit_code=2)
