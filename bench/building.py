"""The files of the bench: the same fines in XML and in layouts, each selected in a dry run, built and checked.

The reference is PostgreSQL's own CSV of the columns that the file shows, in the order of its lines.
"""

import shutil

from bench.reference import Tools
from bench.rounds import ROOT, Bench, Given, Round, WrongResultError

XML = "XML"
LAYOUTS = {
    "CSV": "banner",
    "fixed width": "peoplesoft",
    "line per user": "one_line_per_user",
}
"""The examples of layouts, by the kinds of their files."""

COLUMNS = {
    XML: "user_id, identifier, patron_name, comment, fine_fee_type, owner_library_id, owner_library_code,"
    " last_transaction_at, item_title, item_call_number, item_library, item_location, item_internal_location,"
    " item_due_date, item_barcode, currency, amount, vat, transaction_id",
    "CSV": "identifier, owner_library_code, fine_fee_type, amount, last_transaction_at, item_barcode, item_title,"
    " reversed_transaction_id, patron_name, transaction_id",
    "fixed width": "identifier, fine_fee_type, amount, last_transaction_at, transaction_id, patron_name",
    "line per user": "min(identifier), min(patron_name), count(*), sum(amount) FILTER (WHERE amount > 0),"
    " sum(amount) FILTER (WHERE amount < 0), sum(amount), max(last_transaction_at)",
}
"""The columns of the lines that each file shows."""


class BuildBench:
    """The builds of the files of so many fines, all in one ledger: a dry run leaves the fines as they are."""

    def __init__(self, bench: Bench, filled: str, fines: int) -> None:
        self._bench, self._ledger, self._fines = bench, filled, fines
        self._rounds = 0
        layouts = bench.folder / "include" / "layouts"
        layouts.mkdir(parents=True, exist_ok=True)
        for name in LAYOUTS.values():
            example = (ROOT / "include" / "layouts.examples" / f"{name}.yaml").read_text(encoding="utf-8")
            if "characters: ascii" not in example:  # or fines with other characters would be skipped
                example += "\ncharacters: ascii\n"
            (layouts / f"{name}.yaml").write_text(example, encoding="utf-8")

    def run(self) -> Round:
        """Builds the file of each kind by the product, and copies its columns by the reference, by turns."""
        self._rounds += 1
        staging = self._bench.folder / "staging"
        tools = Tools(self._bench.postgres, self._ledger)
        product, plain = {}, {}
        for kind, columns in COLUMNS.items():
            given: Given = {
                "ledger": self._bench.url(self._ledger),
                "staging": str(staging),
                "layout": LAYOUTS.get(kind),
                "run": f"{kind} {self._rounds}",
            }
            selected = self._bench.run_stage("select_dry_run", given)
            if given["fines"] != self._fines:
                raise WrongResultError(f"{kind} has {given['fines']} of {self._fines} fines")
            product[kind] = self._bench.run_stage("build_file", given)
            product[kind] |= {"selected": selected["seconds"], "bytes": given["bytes"]}
            plain[kind] = tools.psql(_copy(columns, given["batch"]), into=staging / "rows")
            shutil.rmtree(staging)
        return Round(product, plain)


def _copy(columns: str, batch: int) -> str:
    order = "GROUP BY user_id ORDER BY min(number)" if "(" in columns else "ORDER BY number"
    return f"COPY (SELECT {columns} FROM batch_lines WHERE batch_id = {batch} {order}) TO STDOUT WITH (FORMAT csv)"
