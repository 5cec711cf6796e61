-- The fines of a file as the ledger sees them, for the length of a transaction.
CREATE TEMPORARY TABLE incoming_fines (
    line          integer NOT NULL,
    source_id     text,
    first_line    integer,      -- where this source_id stands first
    user_id       bigint,       -- NULL: not in the ledger yet
    known_id      bigint,       -- the fine itself, if the ledger has it
    amount        numeric,      -- NULL, here and below: malformed or missing
    balance       numeric,
    currency      text,
    created_at    timestamptz,
    item_due_date timestamptz,
    vat           numeric,
    outcome       text
) ON COMMIT DROP;
