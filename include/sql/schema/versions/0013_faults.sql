-- What a campaign of faults, an attack and a field test found.

-- Uploads.


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


-- Approvals and alerts.

SELECT 1;
