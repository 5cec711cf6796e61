-- Creates the tables of a comparison, for one transaction: the lines of the file; the fines or users that they name; what the ledger
-- has; and both side by side.
CREATE TEMPORARY TABLE stated_lines (
    number         integer NOT NULL,
    line           integer NOT NULL,
    transaction_id text,
    internal_id    text,
    currency       text,
    sum            text,
    problem        text,
    identifier     text,
    reference      text
) ON COMMIT DROP;
CREATE TEMPORARY TABLE named_lines (
    number         integer NOT NULL,
    line           integer NOT NULL,
    transaction_id text,                     -- of the line that was exported, or as in the file
    fine_id        bigint,
    user_id        bigint,
    identifier     text,
    reference      text,
    currency       text,
    amount         numeric NOT NULL,
    is_invalid     boolean NOT NULL DEFAULT false,
    reason         text                      -- why it names nothing that is known
) ON COMMIT DROP;
CREATE TEMPORARY TABLE expected_amounts (
    fine_id        bigint    NOT NULL,
    transaction_id text      NOT NULL,
    user_id        bigint    NOT NULL,
    identifier     text      NOT NULL,
    item_barcode   text,
    currency       text      NOT NULL,
    amount         numeric   NOT NULL,
    possible       numeric[] NOT NULL        -- other amounts that the bursar may have, because of what happened lately
) ON COMMIT DROP;
CREATE TEMPORARY TABLE compared_amounts (
    user_id        bigint,
    fine_id        bigint,
    transaction_id text,
    identifier     text,
    line           integer,
    lines          integer NOT NULL,
    currency       text,
    ours           numeric NOT NULL,
    theirs         numeric NOT NULL,
    is_possible    boolean NOT NULL,
    reason         text
) ON COMMIT DROP;
