-- Fines and their journal.

CREATE TABLE fines (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- the internal id, which nobody can configure
    source_id           text UNIQUE,                        -- its id in the library system that it was loaded from
    user_id             bigint NOT NULL REFERENCES users,
    item_id             bigint REFERENCES items,
    owner_library       text REFERENCES libraries,          -- NULL: the institution
    fine_fee_type       text NOT NULL,
    currency            text NOT NULL CONSTRAINT currency_is_a_code CHECK (currency ~ '^[A-Z]{3}$'),
    amount              numeric(14, 3) NOT NULL CONSTRAINT amount_is_not_zero CHECK (amount <> 0),
    vat                 numeric(14, 3),
    comment             text,
    item_due_date       timestamptz,
    created_at          timestamptz NOT NULL,
    reverses            bigint REFERENCES fines,            -- the charge that a credit reverses
    -- Only the journal's trigger writes the columns below. The first three are sums of the journal.
    balance             numeric(14, 3) NOT NULL DEFAULT 0,  -- owed at the library
    outstanding         numeric(14, 3) NOT NULL DEFAULT 0,  -- owed at the bursar
    pending_reversal    numeric(14, 3) NOT NULL DEFAULT 0,  -- settled at the library after the export, not yet exported itself
    status              text NOT NULL DEFAULT 'ACTIVE' CONSTRAINT status_is_known
                            CHECK (status IN ('ACTIVE', 'DISPUTED', 'CLOSED', 'TRANSFERRED')),
    last_transaction_at timestamptz,
    CONSTRAINT credits_are_negative CHECK ((amount < 0) = (fine_fee_type = 'CREDIT')),
    CONSTRAINT balance_within_amount CHECK (
        balance * amount >= 0 AND outstanding * amount >= 0 AND abs(balance) + abs(outstanding) <= abs(amount)),
    CONSTRAINT pending_reversal_within_amount CHECK (
        pending_reversal >= 0 AND (pending_reversal = 0 OR abs(balance) + abs(outstanding) + pending_reversal <= amount))
);
COMMENT ON TABLE fines IS 'A fine or fee, or a credit (a negative amount), of one user.';

CREATE INDEX fines_user_id ON fines (user_id);
CREATE INDEX fines_with_balance ON fines (user_id) WHERE balance <> 0;
CREATE INDEX fines_active ON fines (user_id) WHERE balance <> 0 OR outstanding <> 0 OR pending_reversal <> 0;
CREATE INDEX fines_with_pending_reversal ON fines (id) WHERE pending_reversal <> 0;
CREATE INDEX fines_reverses ON fines (reverses) WHERE reverses IS NOT NULL;

CREATE FUNCTION reject_changes_of_fine() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'fine %: user, owner, type, currency and amount are fixed when a fine is created', OLD.id
        USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_changes_of_fine
    BEFORE UPDATE OF user_id, owner_library, fine_fee_type, currency, amount, created_at ON fines
    FOR EACH ROW
    WHEN ((OLD.user_id, OLD.owner_library, OLD.fine_fee_type, OLD.currency, OLD.amount, OLD.created_at)
          IS DISTINCT FROM
          (NEW.user_id, NEW.owner_library, NEW.fine_fee_type, NEW.currency, NEW.amount, NEW.created_at))
    EXECUTE FUNCTION reject_changes_of_fine();

-- `LOCK TABLE fines_lock` locks the table fines: PostgreSQL locks the tables of a view with the rights of the view's owner. The
-- right to lock (MAINTAIN) permits nothing else on a view. On the table it would also permit VACUUM, CLUSTER and REINDEX.
CREATE VIEW fines_lock AS SELECT id FROM fines;
COMMENT ON VIEW fines_lock IS 'A fine; this view is only for locking the table fines.';

CREATE TABLE journal_entries (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fine_id            bigint NOT NULL,
    entry_type         text NOT NULL CONSTRAINT entry_type_is_known CHECK (entry_type IN (
                           'CHARGED', 'PAID', 'WAIVED', 'REFUNDED', 'DISPUTED', 'DISPUTE_SETTLED',
                           'EXPORTED', 'EXPORTED_AND_PAID', 'PAID_AT_BURSAR', 'REVERSED')),
    balance_change     numeric(14, 3) NOT NULL DEFAULT 0,
    outstanding_change numeric(14, 3) NOT NULL DEFAULT 0,
    reversal_change    numeric(14, 3) NOT NULL DEFAULT 0,
    posted_at          timestamptz NOT NULL DEFAULT now(),
    batch_id           bigint,                              -- of an export
    import_file_id     bigint,                              -- of a payment at the bursar, and which record of the file
    import_record      integer,
    comment            text,
    -- The desk or a job that settles what is outstanding at the bursar makes a reversal pending for the same amount.
    CONSTRAINT settled_outstanding_is_reversed CHECK (
        entry_type NOT IN ('PAID', 'WAIVED') OR reversal_change = -outstanding_change)
);
COMMENT ON TABLE journal_entries IS 'A change to a fine. Entries are never changed; the fine''s balances are their sums.';
COMMENT ON COLUMN journal_entries.fine_id IS 'references fines';
COMMENT ON COLUMN journal_entries.batch_id IS 'references batches';
COMMENT ON COLUMN journal_entries.import_file_id IS 'references import_files';

CREATE INDEX journal_entries_fine_id ON journal_entries (fine_id);
CREATE INDEX journal_entries_settlements ON journal_entries (fine_id)
    WHERE outstanding_change <> 0 AND entry_type IN ('PAID', 'WAIVED', 'REVERSED');

CREATE FUNCTION reject_changes_of_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: write a correcting entry' USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_changes_of_journal BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries
    FOR EACH STATEMENT EXECUTE FUNCTION reject_changes_of_journal();

-- Adds new entries to the sums of their fines and sets their status. Rejects entries for a fine that an unfinished batch claims.
-- The update comes first: it waits for an export that is selecting, so that the check sees that export's claims.
--
-- The function updates fines with the rights of its owner, for every role that may insert into the journal. As the trigger of
-- another table it would post entries that are not in the journal, and columns of a type made by the caller could run the
-- caller's code with these rights. So it rejects any other table before it looks at the rows.
CREATE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    IF TG_RELID <> 'public.journal_entries'::regclass THEN
        RAISE EXCEPTION 'apply_journal_entries() is the trigger function of public.journal_entries, not of %', TG_RELID::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding,
               sum(reversal_change) AS pending_reversal, max(posted_at) AS posted_at,
               (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            pending_reversal = fines.pending_reversal + change.pending_reversal,
            last_transaction_at = greatest(fines.last_transaction_at, change.posted_at),
            status = CASE
                WHEN change.entry_type = 'DISPUTED' THEN 'DISPUTED'
                WHEN change.entry_type = 'PAID_AT_BURSAR' THEN 'TRANSFERRED'    -- also if a part was paid
                WHEN fines.balance + change.balance <> 0 THEN
                    CASE WHEN change.entry_type = 'DISPUTE_SETTLED' OR fines.status <> 'DISPUTED' THEN 'ACTIVE' ELSE 'DISPUTED' END
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

    SELECT entries.fine_id, batch_claims.batch_id INTO claimed
    FROM entries JOIN batch_claims USING (fine_id)
    WHERE NOT batch_claims.reversal AND entries.batch_id IS DISTINCT FROM batch_claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER apply_journal_entries AFTER INSERT ON journal_entries
    REFERENCING NEW TABLE AS entries
    FOR EACH STATEMENT EXECUTE FUNCTION apply_journal_entries();

-- Entries of exports and imports are not checked: these can't have a fine of a deleted user, and write the most entries.
-- The search path keeps a temporary table named users or fines from taking the place of the ledger's.
CREATE FUNCTION reject_entries_for_deleted_users() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
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

-- For each charge: how much of it was paid, waived, reversed and given back. Sums are positive. `paid` counts money paid at the
-- library and at a bursar, less refunds; a bursar who does not report has been paid. A credit that was waived reverses nothing. A
-- credit that is with a bursar has been given back, except as far as it was offset against its charge. A credit for an
-- overpayment reverses nothing: it gives back money that is not counted as paid here.
CREATE VIEW charge_totals AS
SELECT charges.id AS fine_id, charges.user_id, charges.amount, charges.balance, charges.outstanding,
       own.paid, own.paid_here, own.waived, credits.reversed, credits.given_back, credits.open AS open_credits,
       charges.amount - own.waived - credits.reversed AS reversible,
       own.paid - credits.given_back AS returnable
FROM fines AS charges
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change + outstanding_change) FILTER (
               WHERE entry_type IN ('PAID', 'REFUNDED', 'PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0) AS paid,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'REFUNDED')), 0) AS paid_here,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type = 'WAIVED'), 0) AS waived
    FROM journal_entries WHERE journal_entries.fine_id = charges.id
) AS own
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change) FILTER (WHERE entry_type IN ('CHARGED', 'WAIVED')), 0) AS reversed,
           coalesce(sum(balance_change) FILTER (WHERE entry_type IN ('PAID', 'EXPORTED', 'EXPORTED_AND_PAID')), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'REVERSED'), 0) AS given_back,
           coalesce(-sum(balance_change), 0) AS open
    FROM fines AS credits JOIN journal_entries ON journal_entries.fine_id = credits.id
    WHERE credits.reverses = charges.id
      AND NOT EXISTS (SELECT FROM journal_entries AS entry
                      WHERE entry.fine_id = credits.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
WHERE charges.amount > 0;
COMMENT ON VIEW charge_totals IS 'A charge: how much of it was paid, waived, reversed and given back.';

-- The charges that can't be waived completely, because credits that are no longer open reverse them. Open credits do not count:
-- the jobs skip their users, or waive the credits too.
CREATE VIEW reversed_charges AS
SELECT fine_id, user_id FROM charge_totals
WHERE (balance <> 0 OR outstanding <> 0)
  AND fine_id IN (SELECT reverses FROM fines WHERE reverses IS NOT NULL)
  AND balance + outstanding > reversible + open_credits;
COMMENT ON VIEW reversed_charges IS 'A charge that can''t be waived completely, because credits reverse it.';
