-- Creates the table for the parsed fines of a file, with those of their texts that more than a message needs; it is dropped at the
-- end of the transaction.
CREATE TEMPORARY TABLE incoming_fines (
    line          integer NOT NULL,
    source_id     text,
    user_id       bigint,       -- NULL: not in the ledger
    fine_id       bigint,       -- the fine itself; NULL: not in the ledger yet
    is_new        boolean NOT NULL,
    is_changed    boolean NOT NULL,    -- whether the source says something else than before
    decimals      integer,      -- to which amounts are rounded; NULL: the currency is unknown
    amount        numeric,      -- NULL, here and below: malformed or missing
    balance       numeric,
    currency      text,
    created_at    timestamptz,
    item_due_date timestamptz,
    vat           numeric,
    is_rounded    boolean NOT NULL,    -- whether the ledger gets another amount, balance or VAT than the file has
    fine_fee_type text,
    owner_library text,
    item_barcode  text,
    comment       text,
    status        text,
    reverses      text,
    known_amount  numeric,             -- of the fine in the ledger, as the next two
    known_currency text,
    differs       boolean NOT NULL     -- from the ledger in a value that is fixed there
) ON COMMIT DROP;
