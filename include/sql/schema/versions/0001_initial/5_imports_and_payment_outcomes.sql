-- Imports.

CREATE TABLE observed_files (
    profile         text        NOT NULL,
    name            text        NOT NULL,
    size            bigint      NOT NULL,
    modified        timestamptz NOT NULL,
    unchanged_since timestamptz NOT NULL DEFAULT now(),     -- for how long size and modification time have been the same
    PRIMARY KEY (profile, name)
);
COMMENT ON TABLE observed_files IS 'A file in a bursar''s folder that may still be growing.';

CREATE TABLE import_files (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile           text        NOT NULL,
    run_id            text        NOT NULL,                 -- the Airflow run that loaded it first
    name              text        NOT NULL,
    size              bigint      NOT NULL,
    modified          timestamptz NOT NULL,
    sha256            text        NOT NULL UNIQUE,          -- the same bytes count once, in whatever folder they arrive
    amount_mode       text        NOT NULL CONSTRAINT amount_mode_is_known CHECK (amount_mode IN ('incremental', 'cumulative')),
    records           integer,
    totals            jsonb,                                -- {currency as in the file, or empty: sum}, as the reader counted
    rejection         text,                                 -- why the whole file was rejected, with its line
    outcomes          jsonb,                                -- {outcome: {records, sums: {currency}, applied: {currency}}}
    registered_at     timestamptz NOT NULL DEFAULT now(),
    read_at           timestamptz,
    applied_at        timestamptz,
    applied_by_run_id text,                                 -- the run that loaded the file may have failed before that
    rejected_at       timestamptz,
    state text GENERATED ALWAYS AS (
        CASE WHEN rejected_at IS NOT NULL THEN 'REJECTED'
             WHEN applied_at IS NOT NULL THEN 'APPLIED'
             WHEN read_at IS NOT NULL THEN 'READ'
             ELSE 'REGISTERED' END) STORED
);
COMMENT ON TABLE import_files IS 'A file of payments from a bursar.';

CREATE TABLE file_arrivals (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id       bigint      NOT NULL REFERENCES import_files,
    profile       text        NOT NULL,
    run_id        text        NOT NULL,
    name          text        NOT NULL,
    size          bigint      NOT NULL,
    modified      timestamptz NOT NULL,
    archived_at   timestamptz,
    archived_path text,
    warning       text,                                     -- about the archiving, for the report of the run
    UNIQUE (profile, run_id, name)
);
COMMENT ON TABLE file_arrivals IS 'An arrival of a file in the bursar''s folder. The same bytes may arrive again under any name.';

CREATE TABLE import_records (
    file_id         bigint  NOT NULL,
    number          integer NOT NULL,
    line            integer NOT NULL,
    -- As in the file.
    transaction_id  text,
    internal_id     text,
    currency        text,
    sum             text,
    problem         text,                                   -- what the reader found wrong with this record
    -- Set when the file is applied.
    amount          numeric(14, 3),                         -- the sum as money
    fine_id         bigint,
    matched_id      text,                                   -- the transaction id of the line that it was matched to
    outcome         text CONSTRAINT outcome_is_known CHECK (outcome IN (
                        'PAID', 'PARTLY_PAID', 'OVERPAID', 'ALREADY_SETTLED', 'NO_PAYMENT',
                        'UNMATCHED', 'CURRENCY_MISMATCH', 'INVALID')),
    applied         numeric(14, 3),                         -- subtracted from the outstanding amount
    credit_amount   numeric(14, 3),                         -- overpaid, and now a credit
    already_settled numeric(14, 3),                         -- settled at the library before: pays nothing, makes no credit
    reason          text,
    PRIMARY KEY (file_id, number)
);
COMMENT ON TABLE import_records IS 'A record of a file of payments, and its effect.';
COMMENT ON COLUMN import_records.file_id IS 'references import_files';
COMMENT ON COLUMN import_records.fine_id IS 'references fines';

-- Records with an effect are found through the journal.
CREATE INDEX import_records_without_effect ON import_records (fine_id) WHERE fine_id IS NOT NULL AND applied IS NULL;

-- The outcome of a payment that was matched. Amounts are signed so that the charge is positive; a credit is a charge with the
-- signs reversed. `given`: the sum; `paid`: the new part of it; `remaining`: outstanding before it; `settled_here`: settled at
-- the library since the export; `direction`: that of the fine, 1 or -1.
CREATE FUNCTION payment_outcome(given numeric, paid numeric, remaining numeric, settled_here numeric, direction numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN given = 0 THEN 'NO_PAYMENT'
        WHEN given < 0 OR paid < 0 THEN 'INVALID'
        WHEN remaining = 0 THEN 'ALREADY_SETTLED'
        WHEN paid = 0 THEN 'NO_PAYMENT'
        WHEN paid < remaining THEN 'PARTLY_PAID'
        WHEN paid <= remaining + settled_here THEN 'PAID'
        WHEN direction > 0 THEN 'OVERPAID'
        ELSE 'INVALID' END
$$;

CREATE FUNCTION subtract_payment(remaining numeric, outstanding numeric, given numeric, paid numeric, settled_here numeric,
                                 direction numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN payment_outcome(given, paid, before, settled_here, direction) IN ('PAID', 'PARTLY_PAID', 'OVERPAID')
        THEN greatest(before - paid, 0) ELSE before END
    FROM (SELECT coalesce(remaining, outstanding) AS before) AS of_this
$$;

-- The outstanding amount of a fine after payments, in their order.
CREATE AGGREGATE remaining_after_payments(outstanding numeric, given numeric, paid numeric, settled_here numeric, direction numeric) (
    SFUNC = subtract_payment, STYPE = numeric);
