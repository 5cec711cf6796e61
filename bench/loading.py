"""The loads of the bench: new fines, the same fines with a few changes, and some new ones on top of them.

The reference copies the same files with PostgreSQL's COPY and writes the same rows with bare statements: one INSERT ...
ON CONFLICT of the fines, and one INSERT of the entries that charge the new ones, since the product writes a journal
entry for each of these. The triggers of both tables are disabled for it. The report also has the ratios without the
entries.
"""

import shutil

from bench import report
from bench.reference import Tools
from bench.rounds import Bench, Given, Round, WrongResultError

CHANGED = 100
"""One of so many known fines has changed."""
ADDED = 10
"""New fines on top of the known ones: one for so many."""
STAGES = {
    "load_new_fines": "new.csv",
    "load_known_fines": "known.csv",
    "load_more_fines": "more.csv",
}
"""Each stage and its file."""

USERS = """
INSERT INTO users (last_name, first_name, user_group)
SELECT 'Okonkwo' || n, 'Ada', 'UNDERGRADUATE' FROM generate_series(1, {users}) AS n;
INSERT INTO identifiers (user_id, type, value) SELECT id, 'userName', 'user' || id FROM users
"""
ROWS = """
COPY (
    SELECT 'F' || n AS fine_id, 'user' || 1 + n * 7919 % {users} AS primary_id, 'OVERDUEFINE' AS fine_fee_type,
           to_char(amount, 'FM990.00') AS amount,
           to_char(CASE WHEN n % {changed} = 0 THEN amount - 0.05 ELSE amount END, 'FM990.00') AS balance,
           to_char(timestamp '2024-09-01 08:00' + n * 6 % 60000000 * interval '1 second',
                   'YYYY-MM-DD"T"HH24:MI:SS') AS created_at,
           CASE WHEN n % 7 <> 0 THEN (ARRAY['MAIN', 'LAW'])[1 + n % 2] END AS owner_library,
           CASE WHEN n % 9 = 0 THEN 'water damage, p. ' || n % 300 END AS comment
    FROM generate_series(CAST({first} AS bigint), {last}) AS n,
         LATERAL (SELECT 0.25 + n % 160 * 0.25 AS amount) AS amounts
) TO STDOUT WITH (FORMAT csv, HEADER)
"""
STAGED = """
CREATE UNLOGGED TABLE staged (fine_id text, primary_id text, fine_fee_type text, amount text, balance text,
                              created_at text, owner_library text, comment text)
"""
INSERT = """
INSERT INTO fines (source_id, user_id, owner_library, fine_fee_type, currency, amount, balance, comment, created_at)
SELECT fine_id, identifiers.user_id, owner_library, fine_fee_type, 'USD', CAST(amount AS numeric),
       CAST(balance AS numeric), comment, CAST(created_at AS timestamptz)
FROM staged JOIN identifiers ON identifiers.type = 'userName' AND identifiers.value = staged.primary_id
ON CONFLICT (source_id, source) DO UPDATE SET balance = excluded.balance
"""

INSERT_ENTRIES = """
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at)
SELECT id, 'CHARGED', amount, created_at FROM fines WHERE id > (SELECT coalesce(max(fine_id), 0) FROM journal_entries)
"""


class LoadBench:
    """The loads of so many fines, three for each user, in a ledger that has the users."""

    def __init__(self, bench: Bench, fines: int) -> None:
        self._bench, self._fines = bench, fines
        self._ledger = bench.create_ledger(0)
        self._files = bench.folder / "loads"
        users = max(fines // 3, 1)
        shutil.rmtree(self._files, ignore_errors=True)
        self._files.mkdir()
        with bench.postgres.connect(self._ledger) as connection:
            for statement in USERS.format(users=users).split(";\n"):
                connection.execute(statement)
            connection.execute("VACUUM (ANALYZE, FREEZE)")
        ranges = {"new.csv": (1, fines, fines + 1), "known.csv": (1, fines, CHANGED)}
        ranges["more.csv"] = (fines + 1, fines + max(fines // ADDED, 1), fines * 2)
        for name, (first, last, changed) in ranges.items():
            rows = ROWS.format(users=users, first=first, last=last, changed=changed)
            Tools(bench.postgres, self._ledger).psql(rows, into=self._files / name)

    def run(self) -> Round:
        """Loads the three files by the product, and then by the reference, each into a copy of the ledger."""
        with self._bench.copy_ledger(self._ledger) as ledger:
            product = {}
            for stage, name in STAGES.items():
                given: Given = {"ledger": self._bench.url(ledger), "file": str(self._files / name)}
                product[stage] = self._bench.run_stage(stage, given)
                product[stage]["locked"] = given["locked"]
                self._check(stage, given)
        with self._bench.copy_ledger(self._ledger) as ledger:
            tools = Tools(self._bench.postgres, ledger)
            tools.psql(STAGED)
            for table in ("fines", "journal_entries"):
                tools.psql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            plain = {}
            for stage, name in STAGES.items():
                tools.psql("TRUNCATE staged")
                copied = tools.psql("COPY staged FROM STDIN WITH (FORMAT csv, HEADER)", source=self._files / name)
                step, *of_entries = report.STAGES["load"][stage]
                plain[step] = copied + tools.psql(INSERT)
                plain |= {of_entry: tools.psql(INSERT_ENTRIES) for of_entry in of_entries}
        return Round(product, plain)

    def _check(self, stage: str, given: Given) -> None:
        fines = self._fines
        more = max(fines // ADDED, 1)
        expected = {
            "load_new_fines": [fines, 0, 0],
            "load_known_fines": [0, fines // CHANGED, fines - fines // CHANGED],
            "load_more_fines": [more, 0, 0],
        }[stage]
        if given["counts"] != expected:
            raise WrongResultError(
                f"{stage} of {fines} fines added, changed and left {given['counts']}, not {expected}"
            )
