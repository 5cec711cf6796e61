-- What a campaign of faults, an attack and a field test found.

-- Uploads.

-- Each attempt to upload the file of a batch, with a part of its own on the server: no two attempts ever write one file. The
-- attempt of a resend names it. An attempt whose last block has been sent, and whose part is gone, may have reached the bursar.
CREATE TABLE upload_attempts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id      bigint      NOT NULL REFERENCES batches,
    resend_id     bigint REFERENCES resends,
    part_name     text        NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_block_at timestamptz,                      -- recorded before the last block was sent
    removed_at    timestamptz                       -- recorded before Bursar removed the part, which a later attempt replaces
);
CREATE INDEX upload_attempts_of_batch ON upload_attempts (batch_id);

-- The part that is complete and verified, and waits for its final name.
ALTER TABLE batches ADD COLUMN part_name text, ADD COLUMN unclear_at timestamptz, ADD COLUMN delivery_confirmed_by text;
ALTER TABLE resends ADD COLUMN part_name text;

-- UNCLEAR: the server acknowledged the whole file and has it no more. A person finds out whether the bursar has it.
ALTER TABLE batches ALTER COLUMN state SET EXPRESSION AS (
    CASE WHEN dry_run THEN 'DRY_RUN'
         WHEN released_at IS NOT NULL THEN 'RELEASED'
         WHEN closed_at IS NOT NULL THEN 'CLOSED'
         WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
         WHEN unclear_at IS NOT NULL THEN 'UNCLEAR'
         WHEN part_complete_at IS NOT NULL THEN 'PART_COMPLETE'
         WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
         WHEN documented_at IS NOT NULL THEN 'DOCUMENTED'
         ELSE 'SELECTED' END);


-- Rights.


-- The desk and loads.

-- For each charge: how much of it was paid, and how much has been given up. Sums are positive. `paid` counts money paid at the
-- library and at a bursar, less refunds; a bursar who does not report has been paid. A credit that was waived reverses nothing. A
-- credit that is with a bursar has been given back, except as far as it was set off against its charge. A credit for an
-- overpayment reverses nothing: it gives back money that is not counted as paid here.
CREATE VIEW charge_totals AS
SELECT charges.id AS fine_id, charges.user_id, charges.amount, charges.balance, charges.outstanding,
       own.paid, own.paid_here, own.waived, credits.reversed, credits.given_back, credits.open AS open_credits,
       charges.amount - own.waived - credits.reversed AS reversible,
       own.paid - credits.given_back AS returnable
FROM fines AS charges
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change + outstanding_change) FILTER (
               WHERE kind IN ('PAID', 'REFUNDED', 'PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0) AS paid,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE kind IN ('PAID', 'REFUNDED')), 0) AS paid_here,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE kind = 'WAIVED'), 0) AS waived
    FROM journal WHERE journal.fine_id = charges.id
) AS own
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change) FILTER (WHERE kind IN ('CHARGED', 'WAIVED')), 0) AS reversed,
           coalesce(sum(balance_change) FILTER (WHERE kind IN ('PAID', 'EXPORTED', 'EXPORTED_AND_PAID')), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE kind = 'REVERSED'), 0) AS given_back,
           coalesce(-sum(balance_change), 0) AS open
    FROM fines AS credits JOIN journal ON journal.fine_id = credits.id
    WHERE credits.reverses = charges.id
      AND NOT EXISTS (SELECT FROM journal AS entry
                      WHERE entry.fine_id = credits.id AND entry.kind = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
WHERE charges.amount > 0;

-- The charges that can't be waived whole, because credits that are not open any more reverse them. Open credits do not count:
-- the jobs leave their users alone, or waive the credits too.
CREATE VIEW reversed_charges AS
SELECT fine_id, user_id FROM charge_totals
WHERE (balance <> 0 OR outstanding <> 0)
  AND fine_id IN (SELECT reverses FROM fines WHERE reverses IS NOT NULL)
  AND balance + outstanding > reversible + open_credits;


-- Imports.

-- What a person has to know about the archiving of a file, for the report of the run.
ALTER TABLE arrivals ADD COLUMN warning text;


-- Approvals and alerts.

-- How often people were asked to approve a batch; 0 if the upload found out that nobody had been asked.
ALTER TABLE approvals ADD COLUMN times_asked integer NOT NULL DEFAULT 1;    -- what is recorded by now was asked
ALTER TABLE approvals ALTER COLUMN times_asked SET DEFAULT 0;

SELECT 1;
