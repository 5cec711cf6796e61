"""Loading wrong rows: each is reported with its line, and nothing is loaded."""

from decimal import Decimal

import pytest

from bursar.sources.csv.load import InvalidRowsError
from tests.support.library_system import USER, LibrarySystem

D = Decimal


WRONG_FINES: list[tuple[dict[str, str], str]] = [
    ({"fine_id": ""}, "fine_id is missing"),
    ({"primary_id": ""}, "primary_id is missing"),
    ({"primary_id": "nobody"}, 'there is no user with primary_id "nobody"'),
    ({"fine_fee_type": " "}, "fine_fee_type is missing"),
    ({"amount": ""}, "amount is missing"),
    *(
        ({"amount": amount}, f'amount "{amount}" is not a sum such as 12.50')
        for amount in ["1,50", "1e3", "NaN", "Infinity", "5.", ".5", "€5", "1 000", "+5", "123456789012"]
    ),
    ({"amount": "0.00"}, "amount is 0"),
    ({"amount": "-5.00"}, "amount -5.00 is negative, but the fine_fee_type is not CREDIT"),
    ({"fine_fee_type": "CREDIT"}, "amount 5.00 of a CREDIT has to be negative"),
    ({"balance": "all"}, 'balance "all" is not a sum such as 12.50'),
    ({"balance": "5.01"}, "balance 5.01 is not between 0 and the amount 5.00"),
    ({"balance": "-0.01"}, "balance -0.01 is not between 0 and the amount 5.00"),
    ({"currency": "eur"}, 'currency "eur" is not written in three capital letters, such as EUR'),
    ({"created_at": ""}, "created_at is missing"),
    *(
        ({"created_at": moment}, f'created_at "{moment}" is not a moment such as 2026-09-30T16:45:00')
        for moment in [
            "yesterday",
            "2026-02-30",
            "01/05/2026",
            "2026-05-01T25:00:00",
            "2026-05-01T10:00:00 CET",
            "now",
        ]
    ),
    (
        {"created_at": "2226-05-01"},
        "created_at 2226-05-01 lies in the future; without an offset it is read in time zone Europe/Vienna",
    ),
    (
        {"item_due_date": "soon", "item_barcode": "1"},
        'item_due_date "soon" is not a moment such as 2026-09-30T16:45:00',
    ),
    ({"vat": "7%"}, 'vat "7%" is not a sum such as 12.50'),
    ({"owner_library": "GONE"}, 'owner_library "GONE" is unknown; name it in the file of libraries'),
    (
        {"item_library": "GONE", "item_barcode": "1"},
        'item_library "GONE" is unknown; name it in the file of libraries',
    ),
    ({"item_title": "Torts"}, "item_barcode is missing, but other columns describe an item"),
    ({"reverses": "F0"}, "reverses is for a CREDIT only"),
]


def test_each_wrong_fine_is_named_with_its_line(system: LibrarySystem) -> None:
    assert system.refusals(
        fines=[{"fine_id": f"F{line}"} | change for line, (change, _) in enumerate(WRONG_FINES, start=2)]
    ) == [f"fines.csv:{line}: {message}" for line, (_, message) in enumerate(WRONG_FINES, start=2)]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_credit_that_fits_no_charge_is_named_with_its_line(system: LibrarySystem, loaded_before: bool) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-1"}
    wrong = [
        ({"reverses": "X"}, 'reverses "X", but there is no such fine'),
        ({"reverses": "C0"}, 'reverses "C0", but that is a credit itself'),
        ({"reverses": "F0", "primary_id": "u2"}, 'reverses "F0", but that is of another user or currency'),
        ({"reverses": "F0", "currency": "USD"}, 'reverses "F0", but that is of another user or currency'),
    ]
    others = [{"fine_id": "F0"}, credit | {"fine_id": "C0"}]
    if loaded_before:
        system.load(fines=others)
    credits_ = [credit | {"fine_id": f"C{line}"} | change for line, (change, _) in enumerate(wrong, start=4)]
    first = 2 if loaded_before else 4
    assert system.refusals(fines=credits_ if loaded_before else others + credits_) == [
        f"fines.csv:{line}: {message}" for line, (_, message) in enumerate(wrong, start=first)
    ]


def test_each_wrong_user_is_named_with_the_line(system: LibrarySystem) -> None:
    wrong = [
        ({"primary_id": ""}, "primary_id is missing"),
        ({"last_name": ""}, "last_name is missing"),
        ({"user_group": ""}, "user_group is missing"),
        ({"user_group": "PHD"}, 'user_group "PHD" is unknown; name it in the file of user groups'),
        ({"expiry_date": "2027-02-29"}, 'expiry_date "2027-02-29" is not a day such as 2026-09-30'),
        ({"purge_date": "30.9.2026"}, 'purge_date "30.9.2026" is not a day such as 2026-09-30'),
        ({"primary_id": "u8"}, 'primary_id "u8" is on line 2 already'),
        ({"identifier:02": "8"}, 'identifier:02 "8" is on line 2 already'),
        ({"identifier:02": "1"}, 'identifier:02 "1" is that of user "u1" in the ledger'),
    ]
    system.load(users=[{"identifier:02": "1"}])
    users = [{"primary_id": f"new{line}"} | change for line, (change, _) in enumerate(wrong, start=3)]
    assert system.refusals(users=[{"primary_id": "u8", "identifier:02": "8"}, *users]) == [
        f"users.csv:{line}: {message}" for line, (_, message) in enumerate(wrong, start=3)
    ]


def test_wrong_groups_and_libraries_are_named_before_anything_else(system: LibrarySystem) -> None:
    assert system.refusals(
        groups=[
            {"code": "", "name": "A"},
            {"code": "B", "name": ""},
            {"code": "C", "name": "C"},
            {"code": "C", "name": "D"},
        ],
        libraries=[
            {"code": "", "id": "1", "name": "A"},
            {"code": "B", "id": "", "name": "B"},
            {"code": "C", "id": "3", "name": ""},
            {"code": "C", "id": "3", "name": "C"},
            {"code": "D", "id": "112", "name": "D"},
        ],
        users=[{"user_group": "B"}],
    ) == [
        "groups.csv:2: code is missing",
        "groups.csv:3: name is missing",
        'groups.csv:5: code "C" is on line 4 already',
        "libraries.csv:2: code is missing",
        "libraries.csv:3: id is missing",
        "libraries.csv:4: name is missing",
        'libraries.csv:5: code "C" is on line 4 already',
        'libraries.csv:5: id "3" is on line 4 already',
        'libraries.csv:6: id "112" is that of library LAW in the ledger',
    ]


def test_all_wrong_lines_of_both_files_are_named_at_once(system: LibrarySystem) -> None:
    fines = [{"amount": "x", "comment": "two\nlines"}, {}, {"primary_id": "nobody", "amount": "", "created_at": "\x01"}]
    assert system.refusals(users=[{"last_name": ""}], fines=fines) == [
        'fines.csv:2: amount "x" is not a sum such as 12.50',
        'fines.csv:4: fine_id "F1" is on line 2 already',
        "fines.csv:5: amount is missing",
        'fines.csv:5: created_at "\\u0001" is not a moment such as 2026-09-30T16:45:00',
        'fines.csv:5: fine_id "F1" is on line 2 already',
        'fines.csv:5: there is no user with primary_id "nobody"',
        "users.csv:2: last_name is missing",
    ]


def test_rows_that_cannot_be_read_are_named_too_and_users_hidden_by_them_are_not_missed(system: LibrarySystem) -> None:
    users = system.folder / "u.csv"
    users.write_text(f"{','.join(USER)}\nu7,Ng,Ada,UG\n")
    assert system.refusals(users=users, fines=[{"primary_id": "u7"}, {"amount": "x"}, {"fine_id": "\0"}]) == [
        'fines.csv:3: amount "x" is not a sum such as 12.50',
        'fines.csv:3: fine_id "F1" is on line 2 already',
        'fines.csv:4: fine_id "\ufffd" has a NUL character, which the ledger can\'t keep; remove it',
        "u.csv:2: 4 values for 6 columns; a value with a comma in it needs quotation marks",
    ]


def test_a_long_list_of_wrong_lines_is_cut(system: LibrarySystem) -> None:
    with pytest.raises(InvalidRowsError) as error:
        system.load(fines=[{"fine_id": f"F{number}", "amount": "x"} for number in range(1052)])
    assert (len(error.value.lines), error.value.count) == (50, 1052)
    assert str(error.value).endswith("\nand 1,002 more")
    assert str(error.value).startswith(f'{system.folder}/fines.csv:2: amount "x"')
    assert system.rows("SELECT count(*) FROM fines") == [0]
