"""The forms and the documentation of the maintenance DAGs."""

from airflow.sdk import Param

from bursar.page_names import Page

AMOUNT_PATTERN = "^[0-9]{1,11}([.][0-9]{1,3})?$"

DRY_RUN = Param(
    default=True,
    type="boolean",
    title="Dry run",
    description="Count and report only. Switch it off to change the ledger.",
)
USER_GROUPS = Param(
    default=[],
    type=["null", "array"],
    items={"type": "string"},
    title="User groups",
    description="Codes, one per line. Blank: all groups.",
)

PURGE_FORM = {
    "date": Param(
        default="purge_date",
        type="string",
        enum=["purge_date", "expiry_date"],
        values_display={"purge_date": "Purge date", "expiry_date": "Expiry date"},
        title="Date",
        description="Users without this date are never due. The report counts them.",
    ),
    "days": Param(
        default=0,
        type="integer",
        minimum=0,
        maximum=36_500,
        title="Days",
        description="Number of days after that date on which a user is due.",
    ),
    "user_groups": USER_GROUPS,
    "waive_threshold": Param(
        default="0",
        type="string",
        pattern=AMOUNT_PATTERN,
        title="Waive threshold",
        description="For example 5 or 12.50. Users who owe at most this amount in each currency, at the library and at "
        "bursars together, are purged, and their fines are waived. Users who owe more are kept, and their fines stay.",
    ),
    "dry_run": DRY_RUN,
}

WAIVE_FORM = {
    "threshold": Param(
        type="string",
        pattern=AMOUNT_PATTERN,
        title="Threshold",
        description="For example 5 or 12.50. Only fines of users who owe at most this amount in each currency, at the "
        "library and at bursars together.",
    ),
    "user_groups": USER_GROUPS,
    "fine_fee_types": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Fine/fee types",
        description="One per line. Blank: all types.",
    ),
    "libraries": Param(
        default=[],
        type=["null", "array"],
        items={"type": "string"},
        title="Libraries",
        description="Codes of the owning libraries, one per line. Blank: all owners, including the institution.",
    ),
    "created_from": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created from",
        description="The first day. Blank: no limit.",
    ),
    "created_to": Param(
        default=None,
        type=["null", "string"],
        format="date",
        title="Created to",
        description="The last day, inclusive. Blank: no limit.",
    ),
    "fine_ids": Param(
        default=None,
        type=["null", "string"],
        title="File of fine ids",
        description="The name of a file in the folder `fine_ids` of the work directory, with one internal id per line. "
        "Only fines that are listed there and fit the other fields. Blank: no file.",
    ),
    "fine_list": Param(
        default=None,
        type=["null", "integer"],
        minimum=1,
        title="Uploaded list of fines",
        description="The number of a list that was uploaded in Bursar's pages. Only fines that are listed there "
        "and fit the other fields. Blank: no list.",
    ),
    "reason": Param(
        type="string", minLength=1, maxLength=200, title="Reason", description="Is shown in the history of each fine."
    ),
    "comment": Param(
        default=None,
        type=["null", "string"],
        maxLength=2_000,
        title="Comment",
        description="Is shown after the reason.",
    ),
    "dry_run": DRY_RUN,
}

PURGE_DOCUMENTATION = f"""
Deletes the personal data of users whose purge date, or expiry date, has passed. Fines and journal stay.

A user is kept if a fine is outstanding at a bursar, is in an unfinished export, or is disputed, or if the library owes
the user money. The job report counts the users who were kept, by reason, and lists each by internal id.
*{Page.JOBS}* lists the results of all runs.

A purge beyond the limits of `approval` in bursar.yaml waits for the approval of a second person before it changes
anything.

The run is one transaction. A repeated task does not repeat the purge. Exports and imports wait until it has ended.
"""

WAIVE_DOCUMENTATION = f"""
Waives the fines that fit all fields of the form. Their users owe at most the threshold in all.

Amounts outstanding at a bursar count as debt. They are waived only if the institution allows it
(`allow_activity_on_transferred_finesfees` in bursar.yaml); the next export reports it to the bursar. Credits, disputed
fines and fines in an unfinished export are not waived. The job report counts the fines that stay, by reason, and lists
each. *{Page.JOBS}* lists the results of all runs.

A run beyond the limits of `approval` in bursar.yaml waits for the approval of a second person before it changes
anything.

The run is one transaction. A repeated task does not repeat the waiving. Exports and imports wait until it has ended.
"""
