"""Loads from library systems: what each row says, what a load changed, and what it rejected or deferred.

A fine that was loaded before counts as said by the source without a name; of an exported one it is not known what the source
said last, so the next load only records it.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

SQL = """
CREATE TABLE loads (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source        text        NOT NULL,                     -- the code of the source; '': files that a person named
    run_id        text,                                     -- the Airflow run; NULL: a command
    requested_by  text,                                     -- the person who started it; NULL: the schedule
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_complete   boolean     NOT NULL,                     -- whether the rows are all fines that the source has
    is_refused    boolean     NOT NULL,                     -- too many rows were rejected, so nothing was loaded
    files         jsonb       NOT NULL,                     -- for each: kind, name, SHA-256, rows
    counts        jsonb       NOT NULL,                     -- as in bursar.sources.load.LoadCounts
    rejected      jsonb       NOT NULL,                     -- rows by reason
    entries       jsonb       NOT NULL                      -- for each entry type and currency: fines and changes
);
COMMENT ON TABLE loads IS 'A load of users and fines from a source.';
CREATE INDEX loads_source ON loads (source, id);

CREATE TABLE load_messages (
    load_id   bigint  NOT NULL REFERENCES loads ON DELETE CASCADE,
    number    integer NOT NULL,
    kind      text    NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('rejected', 'deferred', 'warning')),
    code      text    NOT NULL,                             -- the reason, as in bursar.sources.reasons
    file      text    NOT NULL,
    line      integer,                                      -- NULL: the fine is not in the file
    source_id text,                                         -- of a fine
    fine_id   bigint,                                       -- references fines
    field     text,
    value     text,
    reason    text    NOT NULL,
    remedy    text    NOT NULL,
    PRIMARY KEY (load_id, number)
);
COMMENT ON TABLE load_messages IS 'A row that a load rejected or deferred, or a warning about a fine.';
CREATE INDEX load_messages_warnings ON load_messages (fine_id, code) WHERE kind = 'warning';

CREATE TABLE deferred_fines (
    source    text    NOT NULL,
    source_id text    NOT NULL,
    load_id   bigint  NOT NULL,                             -- the load that deferred it
    file      text    NOT NULL,
    line      integer NOT NULL,
    row       jsonb   NOT NULL,
    PRIMARY KEY (source, source_id)
);
COMMENT ON TABLE deferred_fines IS
    'A row about a fine that was on its way to a bursar. The next load of the source applies it, unless that has a newer row.';

CREATE TABLE contested_identifiers (
    type    text   NOT NULL,
    value   text   NOT NULL,
    user_id bigint NOT NULL REFERENCES users,
    PRIMARY KEY (type, value, user_id)
);
COMMENT ON TABLE contested_identifiers IS 'An identifier that several users claim. It belongs to none of them.';
CREATE INDEX contested_identifiers_user_id ON contested_identifiers (user_id);

-- What the source said about a fine last. The ledger is compared with it, not with the balance: that differs after an export.
ALTER TABLE fines
    DROP CONSTRAINT fines_source_id_key,
    ADD COLUMN source text NOT NULL DEFAULT '',             -- the code of its source; '': files that a person named
    ADD COLUMN source_amount numeric(14, 3),
    ADD COLUMN source_balance numeric(14, 3),
    ADD COLUMN source_status text CONSTRAINT source_status_is_known
        CHECK (source_status IN ('open', 'accruing', 'disputed', 'suspended', 'cancelled')),
    ADD CONSTRAINT fines_source_id_key UNIQUE (source_id, source);
UPDATE fines SET source_amount = amount,
                 source_balance = CASE WHEN EXISTS (SELECT FROM journal_entries AS entries WHERE entries.fine_id = fines.id
                                                    AND entries.entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID')) THEN NULL
                                       ELSE balance END
WHERE source_id IS NOT NULL;

-- An adjusted charge has another amount, and a fine of merged accounts another user. Both follow from the journal.
DROP TRIGGER reject_changes_of_fine ON fines;
CREATE TRIGGER reject_changes_of_fine
    BEFORE UPDATE OF user_id, owner_library, fine_fee_type, currency, amount, created_at ON fines
    FOR EACH ROW
    WHEN ((OLD.owner_library, OLD.fine_fee_type, OLD.currency, OLD.created_at)
          IS DISTINCT FROM (NEW.owner_library, NEW.fine_fee_type, NEW.currency, NEW.created_at)
          OR pg_trigger_depth() = 0 AND (OLD.user_id, OLD.amount) IS DISTINCT FROM (NEW.user_id, NEW.amount))
    EXECUTE FUNCTION reject_changes_of_fine();

ALTER TABLE journal_entries
    ADD COLUMN load_id bigint,
    ADD COLUMN moved_to bigint,
    DROP CONSTRAINT entry_type_is_known,
    ADD CONSTRAINT entry_type_is_known CHECK (entry_type IN (
        'CHARGED', 'ADJUSTED', 'PAID', 'WAIVED', 'REFUNDED', 'CANCELLED', 'REOPENED', 'DISPUTED', 'DISPUTE_SETTLED', 'MOVED',
        'EXPORTED', 'EXPORTED_AND_PAID', 'PAID_AT_BURSAR', 'REVERSED')),
    DROP CONSTRAINT settled_outstanding_is_reversed,
    ADD CONSTRAINT settled_outstanding_is_reversed CHECK (
        entry_type NOT IN ('PAID', 'WAIVED', 'CANCELLED') OR reversal_change = -outstanding_change),
    ADD CONSTRAINT a_moved_fine_has_a_user CHECK ((entry_type = 'MOVED') = (moved_to IS NOT NULL));
COMMENT ON COLUMN journal_entries.load_id IS 'references loads: the load that posted it';
COMMENT ON COLUMN journal_entries.moved_to IS 'references users: to whom the fine moved';

DROP INDEX journal_entries_settlements;
CREATE INDEX journal_entries_settlements ON journal_entries (fine_id)
    WHERE outstanding_change <> 0 AND entry_type IN ('PAID', 'WAIVED', 'CANCELLED', 'REVERSED');

-- A new fine owes its amount, and the entry that charges it is written by the same statement. It would cost much to add the fine
-- with a balance of 0 and then to update it.
CREATE FUNCTION start_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.balance := NEW.amount;
    NEW.last_transaction_at := NEW.created_at;
    RETURN NEW;
END $$;

CREATE TRIGGER start_balance BEFORE INSERT ON fines FOR EACH ROW EXECUTE FUNCTION start_balance();

CREATE UNIQUE INDEX journal_entries_charges ON journal_entries (fine_id) WHERE entry_type = 'CHARGED';

CREATE FUNCTION require_charge() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT added.id INTO wrong
    FROM added LEFT JOIN journal_entries AS charges ON charges.fine_id = added.id AND charges.entry_type = 'CHARGED'
    WHERE charges.balance_change IS DISTINCT FROM added.amount LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % was added without the entry that charges its amount', wrong USING ERRCODE = 'BU003';
    END IF;
    SELECT users.id INTO wrong FROM added JOIN users ON users.id = added.user_id WHERE users.deleted_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'user % was deleted', wrong USING ERRCODE = 'BU004';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER require_charge AFTER INSERT ON fines
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_charge();

-- As before, without the entries that charge new fines: the trigger of these fines has checked their users.
CREATE OR REPLACE FUNCTION reject_entries_for_deleted_users() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    deleted bigint;
BEGIN
    SELECT users.id INTO deleted
    FROM entries JOIN fines ON fines.id = entries.fine_id JOIN users ON users.id = fines.user_id
    WHERE entries.batch_id IS NULL AND entries.import_record IS NULL AND entries.entry_type <> 'CHARGED'
      AND users.deleted_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'user % was deleted', deleted USING ERRCODE = 'BU004';
    END IF;
    RETURN NULL;
END $$;

-- As before, without the entries that charge new fines; and an entry ADJUSTED changes the amount, an entry MOVED the user. A
-- larger amount comes before the balance, a smaller one after it, so that the balance never exceeds the amount.
CREATE OR REPLACE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
    adjusts boolean;
BEGIN
    IF TG_RELID <> 'public.journal_entries'::regclass THEN
        RAISE EXCEPTION 'apply_journal_entries() is the trigger function of public.journal_entries, not of %', TG_RELID::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    IF EXISTS (SELECT FROM entries LEFT JOIN fines ON fines.id = entries.fine_id
               WHERE entries.entry_type = 'CHARGED' AND fines.id IS NULL) THEN
        RAISE EXCEPTION 'a journal entry names a fine that does not exist' USING ERRCODE = 'BU003';
    END IF;

    adjusts := EXISTS (SELECT FROM entries WHERE entry_type IN ('ADJUSTED', 'MOVED'));
    IF adjusts THEN
        UPDATE fines SET amount = fines.amount + change.amount, user_id = coalesce(change.moved_to, fines.user_id)
        FROM (
            SELECT fine_id, coalesce(sum(balance_change) FILTER (WHERE entry_type = 'ADJUSTED'), 0) AS amount,
                   max(moved_to) AS moved_to
            FROM entries WHERE entry_type IN ('ADJUSTED', 'MOVED') GROUP BY fine_id
        ) AS change
        WHERE fines.id = change.fine_id AND fines.amount * change.amount >= 0;
    END IF;

    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding,
               sum(reversal_change) AS pending_reversal, max(posted_at) AS posted_at,
               (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries WHERE entry_type <> 'CHARGED' GROUP BY fine_id
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

    IF adjusts THEN
        UPDATE fines SET amount = fines.amount + change.amount, user_id = coalesce(change.moved_to, fines.user_id)
        FROM (
            SELECT fine_id, coalesce(sum(balance_change) FILTER (WHERE entry_type = 'ADJUSTED'), 0) AS amount,
                   max(moved_to) AS moved_to
            FROM entries WHERE entry_type IN ('ADJUSTED', 'MOVED') GROUP BY fine_id
        ) AS change
        WHERE fines.id = change.fine_id AND fines.amount * change.amount < 0;
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

-- As before, with CANCELLED, which counts as waived, and REOPENED. What loads reopen, they posted as settled before: money that
-- they posted as paid first, then what they posted as waived or cancelled.
CREATE OR REPLACE VIEW charge_totals AS
SELECT charges.id AS fine_id, charges.user_id, charges.amount, charges.balance, charges.outstanding,
       own.paid, own.paid_here, own.waived, credits.reversed, credits.given_back, credits.open AS open_credits,
       charges.amount - own.waived - credits.reversed AS reversible,
       own.paid - credits.given_back AS returnable
FROM fines AS charges
CROSS JOIN LATERAL (
    SELECT paid - least(reopened, paid_by_loads) AS paid, paid_here - least(reopened, paid_by_loads) AS paid_here,
           waived - least(greatest(reopened - paid_by_loads, 0), waived_by_loads) AS waived
    FROM (
        SELECT coalesce(-sum(balance_change + outstanding_change) FILTER (
                   WHERE entry_type IN ('PAID', 'REFUNDED', 'PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0) AS paid,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'REFUNDED')), 0) AS paid_here,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('WAIVED', 'CANCELLED')), 0) AS waived,
               coalesce(-sum(balance_change) FILTER (WHERE entry_type = 'PAID' AND load_id IS NOT NULL), 0) AS paid_by_loads,
               coalesce(-sum(balance_change) FILTER (
                   WHERE entry_type IN ('WAIVED', 'CANCELLED') AND load_id IS NOT NULL), 0) AS waived_by_loads,
               coalesce(sum(balance_change) FILTER (WHERE entry_type = 'REOPENED'), 0) AS reopened
        FROM journal_entries WHERE journal_entries.fine_id = charges.id
    ) AS sums
) AS own
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change) FILTER (WHERE entry_type IN ('CHARGED', 'ADJUSTED', 'WAIVED', 'CANCELLED')), 0) AS reversed,
           coalesce(sum(balance_change) FILTER (WHERE entry_type IN ('PAID', 'EXPORTED', 'EXPORTED_AND_PAID')), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'REVERSED'), 0) AS given_back,
           coalesce(-sum(balance_change), 0) AS open
    FROM fines AS credits JOIN journal_entries ON journal_entries.fine_id = credits.id
    WHERE credits.reverses = charges.id
      AND NOT EXISTS (SELECT FROM journal_entries AS entry
                      WHERE entry.fine_id = credits.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
WHERE charges.amount > 0;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
