"""The steps of a load after its rows are staged: users, checks of fines, and changes of fines."""

from bursar.db.queries import query
from bursar.sources.statements import Statements


def load_users(statements: Statements) -> int:
    """Loads user groups, libraries and users; returns the number of new users."""
    run = statements.run
    run("check_groups", "check_libraries", "upsert_groups", "upsert_libraries")
    run("resolve_users", "check_users", "check_identifiers", "drop_rejected_users")
    while run("check_primary_ids"):
        run("drop_rejected_users")
    run("assign_user_ids", "update_users")
    added = run("insert_users")
    run("delete_identifiers", "insert_primary_ids", "create_identifier_claims")
    run("report_contested_identifiers", "delete_contested_identifiers", "delete_old_claims")
    run("insert_claims", "insert_identifiers")
    return added


def check_fines(statements: Statements) -> None:
    """Parses the rows of fines, finds users and known fines, and rejects the wrong rows."""
    run = statements.run
    if run("create_fines_to_adopt", "find_fines_to_adopt"):
        statements.connection.execute(query("ledger/lock_fines_table"))
        run("adopt_fines")
    run("resolve_fines", "analyze_incoming_fines")
    run("check_repeated_fines", "check_fines", "check_reversed_charges", "drop_rejected_fines")
    run("check_orphaned_credits", "drop_rejected_fines", "warn_of_fixed_values", "upsert_items")


def lock_fines(statements: Statements) -> None:
    """Locks the table of fines until the end of the load, and rejects the credits that exceed their charges."""
    statements.connection.execute(query("ledger/lock_fines_table"))
    statements.run("check_reversals", "drop_rejected_fines")


def change_fines(statements: Statements, load_id: int, *, is_complete: bool) -> None:
    """Adds the new fines, and posts the changes of known ones; the table of fines is locked.

    Of a load that `is_complete`, the open fines that it does not have are reported.
    """
    run = statements.run
    run("insert_fines", "assign_fine_ids", "warn_of_settled_credits", "link_reversals", load_id=load_id)
    run("warn_of_other_reversals")
    run("read_fine_states", "decide_changes", "decide_changes_at_bursars")
    run("defer_changes", "warn_of_contradictions", "warn_of_deleted_users")
    run("post_changes", "move_credits", "record_what_was_said", load_id=load_id)
    run("warn_of_smaller_credits", "warn_of_unmoved_credits")
    if is_complete:
        run("warn_of_missing_fines")
    run("drop_known_warnings")
