-- Creates the table for the parsed fines of a file; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE incoming_fines (
    line          integer NOT NULL,
    source_id     text,
    first_line    integer,      -- the first line with this source_id
    user_id       bigint,       -- NULL: not in the ledger yet
    known_id      bigint,       -- the fine itself, if the ledger has it
    decimals      integer,      -- to which amounts are rounded; NULL: the currency is unknown
    amount        numeric,      -- NULL, here and below: malformed or missing
    balance       numeric,
    currency      text,
    created_at    timestamptz,
    item_due_date timestamptz,
    vat           numeric,
    outcome       text,
    is_rounded    boolean       -- whether the ledger gets another amount, balance or VAT than the file has
) ON COMMIT DROP;
