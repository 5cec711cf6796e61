-- What an exported fine means for a user, and the jobs that ask: Purge User Records and Bulk Fine Waiving.

-- A deleted user is a number: fines and journal stay, whoever it was is gone.
ALTER TABLE users ADD COLUMN deleted_at timestamptz;
CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL;

-- The fines that are considered active, and why: something is owed at the library or at the bursar, an export holds the
-- fine, or the bursar has not heard yet that it was settled here. The one place that says so.
CREATE VIEW active_fines AS
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       held.batch_id AS claimed_by
FROM fines LEFT JOIN (SELECT fine_id, min(batch_id) AS batch_id FROM batch_claims GROUP BY fine_id) AS held ON held.fine_id = fines.id
WHERE fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0 OR held.batch_id IS NOT NULL;

-- What a user owes in all, with the bursar's share, as the thresholds of the jobs ask for it; users without active fines
-- have no row. Each currency stands for itself: `highest` and `lowest` are the debts in the one where most, or least, is owed.
CREATE VIEW user_debts AS
SELECT user_id, max(debt) AS max_debt, min(debt) AS min_debt, bool_or(is_claimed) AS is_claimed,
       bool_or(is_outstanding) AS is_outstanding, bool_or(has_credit_there) AS has_credit_there,
       bool_or(awaits_reversal) AS awaits_reversal, bool_or(has_credit) AS has_credit, bool_or(is_disputed) AS is_disputed
FROM (
    SELECT user_id, currency, sum(balance + outstanding) AS debt, bool_or(claimed_by IS NOT NULL) AS is_claimed,
           bool_or(outstanding <> 0) AS is_outstanding, bool_or(outstanding < 0) AS has_credit_there,
           bool_or(pending_reversal <> 0) AS awaits_reversal, bool_or(balance + outstanding < 0) AS has_credit,
           bool_or(status = 'DISPUTED') AS is_disputed
    FROM active_fines GROUP BY user_id, currency
) AS by_currency
GROUP BY user_id;

-- One run of a job over users: what it was asked, and what it did. One transaction writes it and does it.
CREATE TABLE maintenance_jobs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text        NOT NULL CHECK (job IN ('purge', 'waive')),
    run_id         text        NOT NULL,               -- the Airflow run
    params     jsonb       NOT NULL,               -- as made in the form
    dry_run     boolean     NOT NULL,
    as_of       timestamptz NOT NULL,
    users       integer     NOT NULL,               -- who were purged, or whose fines were waived
    fines       integer     NOT NULL,               -- that were waived
    totals      jsonb       NOT NULL,               -- what was waived: {currency: {charges, credits}}, amounts as text
    skipped jsonb       NOT NULL,               -- {reason: {fines, users, net: {currency: amount}}}
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    UNIQUE (job, run_id)
);

-- What a job decided about each user (purge) or fine (waiving). By number: there is nothing personal in it.
CREATE TABLE maintenance_job_results (
    job_id  bigint NOT NULL,
    user_id bigint NOT NULL,
    fine_id bigint,
    reason  text                                    -- why it stayed; NULL: purged, or waived
);
CREATE INDEX user_job_verdicts_of_job ON maintenance_job_results (job_id);

-- Nothing happens any more on the account of a deleted user. What exports and imports write is left out: they can't have
-- a fine of such a user, and theirs are the long ones.
CREATE FUNCTION reject_entries_for_deleted_users() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    deleted bigint;
BEGIN
    SELECT users.id INTO deleted
    FROM entries JOIN fines ON fines.id = entries.fine_id JOIN users ON users.id = fines.user_id
    WHERE entries.batch_id IS NULL AND entries.import_record IS NULL AND users.deleted_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'user % was deleted', deleted USING ERRCODE = 'BU004';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER reject_entries_for_deleted_users AFTER INSERT ON journal_entries
    REFERENCING NEW TABLE AS entries
    FOR EACH STATEMENT EXECUTE FUNCTION reject_entries_for_deleted_users();
