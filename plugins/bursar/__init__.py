"""Bursar: library fines out to a campus bursar, payments back in, on Apache Airflow.

The map, in the order in which data travels:

    profiles/        what a library asks for: integration profiles and the institution's settings, read and checked
    ledger/          users, fines, the journal that moves them, batches; loading from CSV, the desk, the demo library
    exporting/       selection -> document -> delivery -> closing: fines on their way out
    exchange/        a folder on the bursar's server, over SFTP, FTP or FTPS
    importing/       arrival -> intake -> application -> putting away: payments on their way in
    users/           users who leave: deletion, purge; debts that are given up: bulk waiving
    reporting/       what each run did, and who should look at what
    orchestration/   the DAGs, and Airflow's connections; only this package and plugin.py know Airflow
    plugin.py        what Airflow loads by itself: the outcome of a run becomes its note
    __main__.py      bin/bursar: what an operator does by hand
    errors.py        what can go wrong, and whether repeating helps
    money.py         money and counts as people read them
    progress.py      how far long work has come, for the log
    work_dir.py      the folders of this machine in which tasks work

Beside the package: include/sql (the schema, and one statement a file), include/xsd (the exchange format),
include/mail (letters) and include/profiles.

The batch in the ledger is the truth; the file is a pure function of it. The core takes its engine, its remote folder
and its clock as arguments.
"""

VERSION = "0.1.0"
