"""Wrong rows: each is rejected with its line, field, reason and remedy, and the others are loaded."""

import pytest

from bursar.sources.load_types import InvalidRowsError
from tests.support.library_system import USER, LibrarySystem

FILL_IN = "; fill it in"
CORRECT = "; correct it"
MOMENT = "is not a moment such as 2026-09-30T16:45:00; correct it"
NO_SUM = "is not a sum such as 12.50; correct it, or name the decimal sign in the dialect of the source"
LOAD_USER = "; load that user; perhaps the row of the user was rejected"

WRONG_FINES: list[tuple[dict[str, str], str]] = [
    ({"fine_id": ""}, f"fine_id is missing{FILL_IN}"),
    ({"primary_id": ""}, f"primary_id is missing{FILL_IN}"),
    ({"primary_id": "nobody"}, f'there is no user with primary_id "nobody"{LOAD_USER}'),
    ({"fine_fee_type": " "}, f"fine_fee_type is missing{FILL_IN}"),
    ({"amount": ""}, f"amount is missing{FILL_IN}"),
    *(
        ({"amount": amount}, f'amount "{amount}" {NO_SUM}')
        for amount in ["1,50", "1e3", "NaN", "Infinity", "5.", ".5", "€5", "1 000", "+5", "123456789012"]
    ),
    ({"amount": "0.00"}, "amount is 0; nothing: there is nothing to bill"),
    ({"amount": "-5.00"}, "amount -5.00 is negative, but the fine_fee_type is not CREDIT; correct one of them"),
    ({"fine_fee_type": "CREDIT"}, f"amount 5.00 of a CREDIT has to be negative{CORRECT}"),
    ({"balance": "all"}, f'balance "all" {NO_SUM}'),
    ({"balance": "5.01"}, "balance 5.01 is not between 0 and the amount 5.00; correct one of them"),
    ({"balance": "-0.01"}, "balance -0.01 is not between 0 and the amount 5.00; correct one of them"),
    ({"currency": "eur"}, f'currency "eur" is not written in three capital letters, such as EUR{CORRECT}'),
    ({"created_at": ""}, f"created_at is missing{FILL_IN}"),
    *(
        ({"created_at": moment}, f'created_at "{moment}" {MOMENT}')
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
        {"item_due_date": "soon", "item_barcode": "1"},
        f'item_due_date "soon" {MOMENT}',
    ),
    ({"vat": "7%"}, 'vat "7%" is not a sum such as 12.50; correct it'),
    ({"owner_library": "GONE"}, 'owner_library "GONE" is unknown; name it in the file of libraries'),
    (
        {"item_library": "GONE", "item_barcode": "1"},
        'item_library "GONE" is unknown; name it in the file of libraries',
    ),
    ({"item_title": "Torts"}, f"item_barcode is missing, but other columns describe an item{FILL_IN}"),
    ({"reverses": "F0"}, "reverses is for a CREDIT only; leave it blank"),
    ({"status": "lost"}, 'status "lost" is none; write open, accruing, disputed, suspended or cancelled'),
    ({"settled_as": "forgiven"}, 'settled_as "forgiven" is none; write paid, waived or cancelled'),
]


def test_each_wrong_fine_is_named_with_its_line(system: LibrarySystem) -> None:
    assert system.refusals(
        fines=[{"fine_id": f"F{line}"} | change for line, (change, _) in enumerate(WRONG_FINES, start=2)]
    ) == [f"fines.csv:{line}: {message}" for line, (_, message) in enumerate(WRONG_FINES, start=2)]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_credit_that_fits_no_charge_is_named_with_its_line(system: LibrarySystem, loaded_before: bool) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-1"}
    wrong = [
        ({"reverses": "X"}, 'reverses "X", but there is no such fine; load that charge; perhaps its row was rejected'),
        ({"reverses": "C0"}, 'reverses "C0", but that is a credit itself; name a charge'),
        (
            {"reverses": "F0", "primary_id": "u2"},
            (
                'reverses "F0", but that is of another user; correct it; if accounts were merged, load the row of the '
                "charge with its new user too"
            ),
        ),
        ({"reverses": "F0", "currency": "USD"}, f'reverses "F0", but that is in another currency{CORRECT}'),
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
        ({"primary_id": ""}, f"primary_id is missing{FILL_IN}"),
        ({"last_name": ""}, f"last_name is missing{FILL_IN}"),
        ({"user_group": ""}, f"user_group is missing{FILL_IN}"),
        ({"user_group": "PHD"}, 'user_group "PHD" is unknown; name it in the file of user groups'),
        ({"expiry_date": "2027-02-29"}, 'expiry_date "2027-02-29" is not a day such as 2026-09-30; correct it'),
        ({"purge_date": "30.9.2026"}, 'purge_date "30.9.2026" is not a day such as 2026-09-30; correct it'),
        ({"primary_id": "u8"}, 'primary_id "u8" is on line 2 already; leave one out'),
        (
            {"identifier:02": "1"},
            (
                'identifier:02 "1" is that of user "u1" in the ledger; '
                "if this is the same user, add the column user_id to the file: then a primary_id may change"
            ),
        ),
    ]
    system.load(users=[{"identifier:02": "1"}])
    users = [{"primary_id": f"new{line}"} | change for line, (change, _) in enumerate(wrong, start=3)]
    assert system.refusals(users=[{"primary_id": "u8", "identifier:02": "8"}, *users]) == [
        f"users.csv:{line}: {message}" for line, (_, message) in enumerate(wrong, start=3)
    ]


def test_wrong_groups_and_libraries_are_named_before_anything_else(system: LibrarySystem) -> None:
    own_id = "; give each library an id of its own"
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
        f"groups.csv:2: code is missing{FILL_IN}",
        f"groups.csv:3: name is missing{FILL_IN}",
        'groups.csv:5: code "C" is on line 4 already; leave one out',
        f"libraries.csv:2: code is missing{FILL_IN}",
        f"libraries.csv:3: id is missing{FILL_IN}",
        f"libraries.csv:4: name is missing{FILL_IN}",
        'libraries.csv:5: code "C" is on line 4 already; leave one out',
        f'libraries.csv:5: id "3" is on line 4 already{own_id}',
        f'libraries.csv:6: id "112" is that of library LAW in the ledger{own_id}',
        'users.csv:2: user_group "B" is unknown; name it in the file of user groups',
    ]


def test_all_faults_of_all_files_are_named_together(system: LibrarySystem) -> None:
    fines = [{"amount": "x", "comment": "two\nlines"}, {}, {"primary_id": "nobody", "amount": "", "created_at": "\x01"}]
    several = 'fine_id "F1" is on several lines with different values, the first is line 2; leave one out'
    assert system.refusals(users=[{"last_name": ""}], fines=fines) == [
        f"users.csv:2: last_name is missing{FILL_IN}",
        f'fines.csv:2: amount "x" {NO_SUM}',
        f"fines.csv:2: {several}",
        f"fines.csv:4: {several}",
        f"fines.csv:5: amount is missing{FILL_IN}",
        f'fines.csv:5: created_at "\\u0001" {MOMENT}',
        f"fines.csv:5: {several}",
        f'fines.csv:5: there is no user with primary_id "nobody"{LOAD_USER}',
    ]


def test_good_rows_are_loaded_and_bad_ones_are_rejected_and_counted(system: LibrarySystem) -> None:
    users = [{"primary_id": "u3"}, {"primary_id": "u4", "last_name": ""}]
    fines = [{"primary_id": "u3"}, {"fine_id": "F2", "primary_id": "u4"}, {"fine_id": "F3", "amount": "x"}]
    result = system.load(users=users, fines=fines)
    assert (result.counts.rows, result.counts.users_added, result.counts.fines_added) == (5, 1, 1)
    assert (result.counts.rejected, result.rejected) == (3, {"missing": 1, "unknown_user": 1, "malformed": 1})
    assert [(message.of_table, message.line, message.field, message.value) for message in result.messages] == [
        ("users", 3, "last_name", None),
        ("fines", 3, "primary_id", "u4"),
        ("fines", 4, "amount", "x"),
    ]
    assert system.rows("SELECT source_id FROM fines") == ["F1"]


def test_rows_that_are_not_readable_are_rejected_like_others(system: LibrarySystem) -> None:
    users = system.folder / "u.csv"
    users.write_text(f"{','.join(USER)}\nu7,Ng,Ada,UG\n")
    fines = [{"primary_id": "u7"}, {"fine_id": "F2", "amount": "x"}, {"fine_id": "\0"}, {"fine_id": "F4"}]
    assert system.messages(users=users, fines=fines) == [
        "rejected: 4 values for 6 columns; a value with a comma in it needs quotation marks",
        f'rejected: there is no user with primary_id "u7"{LOAD_USER}',
        f'rejected: amount "x" {NO_SUM}',
        'rejected: fine_id "\ufffd" has a NUL character, which the ledger can\'t keep; remove it',
    ]
    assert system.rows("SELECT source_id FROM fines") == ["F4"]


def test_a_row_that_is_there_twice_is_loaded_once(system: LibrarySystem) -> None:
    assert system.messages(fines=[{}, {}]) == ['rejected: fine_id "F1" is on line 2 already; leave one out']
    assert system.rows("SELECT balance FROM fines") == [5]


@pytest.mark.parametrize(
    ("bad", "good", "is_refused"), [(19, 0, False), (20, 179, True), (20, 180, False), (21, 180, True)]
)
def test_nothing_is_loaded_if_too_many_rows_are_bad(
    system: LibrarySystem, bad: int, good: int, is_refused: bool
) -> None:
    fines = [{"fine_id": f"F{number}", "amount": "x" if number < bad else "5"} for number in range(bad + good)]
    if is_refused:
        with pytest.raises(InvalidRowsError):
            system.load(fines=fines)
    else:
        assert system.load(fines=fines).counts.rejected == bad
    assert system.rows("SELECT count(*) FROM fines") == [0 if is_refused else good]
    assert system.rows(
        "SELECT is_refused, CAST(counts ->> 'rejected' AS integer) FROM loads ORDER BY id DESC LIMIT 1"
    ) == [(is_refused, bad)]
    assert system.rows("SELECT count(*) FROM load_messages") == [bad]


def test_a_source_has_limits_of_its_own(system: LibrarySystem) -> None:
    fines = [{"fine_id": f"F{number}", "amount": amount} for number, amount in enumerate(["x", "5", "5"])]
    with pytest.raises(InvalidRowsError):
        system.load(rules={"min_rejected_rows": 1, "max_rejected_percent": 33}, fines=fines)
    assert system.load(rules={"min_rejected_rows": 1, "max_rejected_percent": 34}, fines=fines).counts.rejected == 1


def test_a_long_list_of_faults_is_cut(system: LibrarySystem) -> None:
    with pytest.raises(InvalidRowsError) as error:
        system.load(fines=[{"fine_id": f"F{number}", "amount": "x"} for number in range(1052)])
    assert (len(error.value.lines), error.value.count) == (50, 1052)
    assert str(error.value).endswith("\nand 1,002 more")
    assert str(error.value).startswith(f'{system.folder}/fines.csv:2: amount "x"')
    assert system.rows("SELECT count(*) FROM fines") == [0]
    assert system.rows("SELECT count(*) FROM load_messages") == [1000]
