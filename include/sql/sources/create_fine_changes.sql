-- Creates the table of the fines about which the source says something new; it is dropped at the end of the transaction. Amounts
-- are those of the ledger unless they are `said` or `new`, without the sign of a credit.
CREATE TEMPORARY TABLE fine_changes (
    line           integer NOT NULL,
    fine_id        bigint  NOT NULL,
    is_new         boolean NOT NULL,
    is_credit      boolean NOT NULL,
    has_charge     boolean NOT NULL,    -- a credit that reverses one
    place          text    NOT NULL,    -- library, bursar, or batch: an unfinished one claims the fine, or the charge of a known credit
    batch_id       bigint,
    is_unclear     boolean NOT NULL,    -- whether it is not known if the library's system has an event; it counts as in a batch
    status         text    NOT NULL,    -- of the ledger
    amount         numeric NOT NULL,
    balance        numeric NOT NULL,
    outstanding    numeric NOT NULL,
    paid_at_bursar numeric NOT NULL,
    said_amount    numeric NOT NULL,    -- by the source, before
    said_balance   numeric NOT NULL,
    said_status    text    NOT NULL,
    new_amount     numeric NOT NULL,    -- by the source, now
    new_balance    numeric NOT NULL,
    new_status     text    NOT NULL,
    settled_as     text    NOT NULL,    -- an entry type
    moved_to       bigint,
    settled_before numeric NOT NULL,    -- by loads, without what loads reopened
    applied_before numeric NOT NULL,    -- of credits to this charge, as the source said before and says now
    applied        numeric NOT NULL,
    not_passed_on  numeric NOT NULL,    -- of credits that were settled at the library, and not taken off the charge
    open_credits   numeric NOT NULL,    -- credits for this charge that the ledger has not settled before this load
    open_credits_after numeric NOT NULL,    -- the same at the library, as the source says now
    credits_after  numeric NOT NULL,    -- the amounts of all credits for this charge that are not cancelled, as the source says now
    is_disputed_by_load boolean NOT NULL,
    goes_in_full   numeric,             -- of a credit: how much the bursar of its charge has to receive; NULL: its charge is here
    room           numeric,             -- of a known credit: how much more of it that bursar can take back; NULL as above
    written_credits   numeric NOT NULL,    -- what the library's system took off for credits of Bursar, which are open here beside their charge
    was_deferred   boolean NOT NULL,    -- whether an earlier load deferred a row of it
    -- Decided:
    unexplained    numeric NOT NULL DEFAULT 0,    -- of a lower balance at the bursar: what no credit explains
    adjusted       numeric NOT NULL DEFAULT 0,
    settled        numeric NOT NULL DEFAULT 0,
    reversed       numeric NOT NULL DEFAULT 0,
    reopened       numeric NOT NULL DEFAULT 0,
    settled_there  numeric NOT NULL DEFAULT 0,    -- of the outstanding amount
    dispute        text                           -- an entry type
) ON COMMIT DROP;
