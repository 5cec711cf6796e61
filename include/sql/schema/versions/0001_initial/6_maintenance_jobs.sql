-- Maintenance jobs: Purge User Records and Bulk Fine Waiving.

-- The fines that are considered active: something is owed at the library or at the bursar, an unfinished batch claims the fine,
-- or a reversal is pending. The second half is for claimed fines whose sums are all zero, which an export does not select.
CREATE VIEW active_fines AS
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       (SELECT min(batch_id) FROM batch_claims WHERE batch_claims.fine_id = fines.id) AS claimed_by
FROM fines
WHERE fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0
UNION ALL
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       claimed.batch_id
FROM (SELECT fine_id, min(batch_id) AS batch_id FROM batch_claims GROUP BY fine_id) AS claimed
JOIN fines ON fines.id = claimed.fine_id
WHERE NOT (fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0);
COMMENT ON VIEW active_fines IS 'A fine that is considered active.';

-- The debt of each user who has active fines, at the library and at the bursar. Currencies are not added up: `max_debt` and
-- `min_debt` are the debts in the currency in which most, or least, is owed.
CREATE VIEW user_debts AS
SELECT user_id, max(debt) AS max_debt, min(debt) AS min_debt, bool_or(is_claimed) AS is_claimed,
       bool_or(is_outstanding) AS is_outstanding, bool_or(has_outstanding_credit) AS has_outstanding_credit,
       bool_or(has_pending_reversal) AS has_pending_reversal, bool_or(has_credit) AS has_credit,
       bool_or(is_disputed) AS is_disputed
FROM (
    SELECT user_id, currency, sum(balance + outstanding) AS debt, bool_or(claimed_by IS NOT NULL) AS is_claimed,
           bool_or(outstanding <> 0) AS is_outstanding, bool_or(outstanding < 0) AS has_outstanding_credit,
           bool_or(pending_reversal <> 0) AS has_pending_reversal, bool_or(balance + outstanding < 0) AS has_credit,
           bool_or(status = 'DISPUTED') AS is_disputed
    FROM active_fines GROUP BY user_id, currency
) AS by_currency
GROUP BY user_id;
COMMENT ON VIEW user_debts IS 'A user with active fines, and the debt at the library and at the bursar.';

CREATE TABLE maintenance_jobs (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job        text        NOT NULL CONSTRAINT job_is_known CHECK (job IN ('purge', 'waive')),
    run_id     text        NOT NULL,                        -- the Airflow run
    params     jsonb       NOT NULL,                        -- as entered in the form
    dry_run    boolean     NOT NULL,
    as_of      timestamptz NOT NULL,
    users      integer     NOT NULL,                        -- purged, or with fines that were waived
    fines      integer     NOT NULL,                        -- waived
    totals     jsonb       NOT NULL,                        -- waived: {currency: {charges, credits}}
    skipped    jsonb       NOT NULL,                        -- {reason: {fines, users, net: {currency: amount}}}
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    UNIQUE (job, run_id)
);
COMMENT ON TABLE maintenance_jobs IS 'A run of a job over users. One transaction does the work and writes this row.';

CREATE TABLE maintenance_job_results (
    job_id  bigint NOT NULL,
    user_id bigint NOT NULL,
    fine_id bigint,
    reason  text                                            -- why it was skipped; NULL: purged, or waived
);
COMMENT ON TABLE maintenance_job_results IS 'The decision of a job about one user or one fine, without personal data.';
COMMENT ON COLUMN maintenance_job_results.job_id IS 'references maintenance_jobs';
COMMENT ON COLUMN maintenance_job_results.user_id IS 'references users';
COMMENT ON COLUMN maintenance_job_results.fine_id IS 'references fines';

CREATE INDEX maintenance_job_results_job_id ON maintenance_job_results (job_id);
