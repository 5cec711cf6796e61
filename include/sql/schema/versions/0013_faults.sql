-- What a campaign of faults, an attack and a field test found.

-- Uploads.


-- Rights.

-- Only the owner makes triggers of the ledger's trigger functions. New functions are executable by nobody else from the start.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION fine_is_fixed, journal_is_append_only, journal_moves_fines, journal_spares_deleted_users FROM PUBLIC;

-- As in 0003, and: it updates fines with the rights of its owner, for every role that may insert into the journal. As the
-- trigger of another table it would post entries that are not in the journal, and columns of a type made by the caller could
-- run the caller's code with these rights. So it refuses any other table before it looks at the rows.
CREATE OR REPLACE FUNCTION journal_moves_fines() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    IF TG_RELID <> 'public.journal'::regclass THEN
        RAISE EXCEPTION 'journal_moves_fines() is the trigger function of public.journal, not of %', TG_RELID::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding,
               sum(reversal_change) AS to_reverse, max(at) AS at, (array_agg(kind ORDER BY id DESC))[1] AS kind
        FROM entries GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            to_reverse = fines.to_reverse + change.to_reverse,
            last_transaction_at = greatest(fines.last_transaction_at, change.at),
            status = CASE
                WHEN change.kind = 'DISPUTED' THEN 'DISPUTED'
                WHEN change.kind = 'PAID_AT_BURSAR' THEN 'TRANSFERRED'
                WHEN fines.balance + change.balance <> 0 THEN
                    CASE WHEN change.kind = 'DISPUTE_SETTLED' OR fines.status <> 'DISPUTED' THEN 'ACTIVE' ELSE 'DISPUTED' END
                WHEN fines.status = 'TRANSFERRED' AND (change.outstanding = 0 OR fines.outstanding + change.outstanding <> 0)
                    THEN 'TRANSFERRED'
                ELSE 'CLOSED' END
        FROM change WHERE fines.id = change.fine_id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM change), (SELECT count(*) FROM updated) INTO wanted, moved;
    IF moved <> wanted THEN
        RAISE EXCEPTION 'a journal entry names a fine that does not exist' USING ERRCODE = 'BU003';
    END IF;

    SELECT entries.fine_id, claims.batch_id INTO claimed
    FROM entries JOIN claims USING (fine_id)
    WHERE NOT claims.reversal AND entries.batch_id IS DISTINCT FROM claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;

-- A temporary table named users or fines does not take the place of the ledger's.
ALTER FUNCTION journal_spares_deleted_users() SET search_path = pg_catalog, public, pg_temp;

-- `LOCK TABLE fines_lock` locks the table fines: PostgreSQL locks the tables of a view with the rights of the view's owner. The
-- right to lock (MAINTAIN) permits nothing else on a view. On the table it would also permit VACUUM, CLUSTER and REINDEX.
CREATE VIEW fines_lock AS SELECT id FROM fines;

CREATE FUNCTION transaction_ids_are_not_reused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the next transaction id is %: it can only increase', OLD.next USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER transaction_ids_are_not_reused BEFORE UPDATE ON transaction_ids
    FOR EACH ROW WHEN (NEW.next < OLD.next) EXECUTE FUNCTION transaction_ids_are_not_reused();


-- The desk and loads.


-- Imports.


-- Approvals and alerts.

SELECT 1;
