-- The ledger, by subject: users and items; fines and their journal; exports; deliveries; imports; maintenance jobs; reports,
-- notifications, monitoring and approvals.
--
-- The comment on a table or view says what one of its rows is. A column without a foreign key that refers to another table says so in
-- its comment: bulk statements write these rows, and a look-up for each of a million rows costs more than the statement.
-- Columns of type jsonb hold amounts of money as text.

-- Only the owner makes triggers of the ledger's trigger functions: no function is executable by others from the start.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;


-- Users and items, as loaded from the library system -------------------------------------------------------------------------

CREATE TABLE user_groups (
    code text PRIMARY KEY,
    name text NOT NULL
);
COMMENT ON TABLE user_groups IS 'A group of users, such as students.';

CREATE TABLE libraries (
    code text PRIMARY KEY,
    id   text NOT NULL UNIQUE,                              -- libraryId in the exchange format
    name text NOT NULL
);
COMMENT ON TABLE libraries IS 'A library of the institution.';

CREATE TABLE users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    last_name   text NOT NULL,
    first_name  text NOT NULL DEFAULT '',
    user_group  text NOT NULL REFERENCES user_groups,
    expiry_date date,
    purge_date  date,
    deleted_at  timestamptz                                 -- then names and identifiers are erased
);
COMMENT ON TABLE users IS 'A user of the library. A deleted user keeps the id, for the fines and the journal.';

CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL;
-- A purge finds the users who are due, and those who have no date.
CREATE INDEX users_purge_date ON users (purge_date) WHERE deleted_at IS NULL;
CREATE INDEX users_expiry_date ON users (expiry_date) WHERE deleted_at IS NULL;

CREATE TABLE identifiers (
    user_id bigint NOT NULL REFERENCES users,
    type    text   NOT NULL,                                -- userName is the primary identifier
    value   text   NOT NULL,
    PRIMARY KEY (user_id, type),
    UNIQUE (type, value)
);
COMMENT ON TABLE identifiers IS 'An identifier of a user, one of each type.';

CREATE TABLE items (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    barcode           text NOT NULL UNIQUE,
    title             text NOT NULL DEFAULT '',
    call_number       text,
    library           text REFERENCES libraries,            -- where the item is today; the owner of a fine is another matter
    location          text,
    internal_location text
);
COMMENT ON TABLE items IS 'An item that was lent.';


-- Fines and their journal ----------------------------------------------------------------------------------------------------

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


-- Exports --------------------------------------------------------------------------------------------------------------------

CREATE TABLE batches (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- exportNumber in the file
    profile          text NOT NULL,
    run_id           text NOT NULL,                         -- the Airflow run that selected it
    dry_run          boolean NOT NULL DEFAULT false,        -- claims nothing; only its file is built
    as_of            timestamptz NOT NULL,
    import_active    boolean NOT NULL,                      -- exported fines become outstanding; or else count as paid
    render_options   jsonb NOT NULL,                        -- the options that shape the file, besides the lines
    sftp_connection  text NOT NULL,
    output_file_path text NOT NULL,
    file_name        text NOT NULL,
    users            integer NOT NULL,
    fines            integer NOT NULL,
    totals           jsonb NOT NULL,                        -- {currency: {charges, credits}}
    skipped          jsonb NOT NULL,                        -- {reason: {fines, users, net: {currency: amount}}}
    file_size        bigint,
    sha256           text,
    selected_at      timestamptz NOT NULL DEFAULT now(),
    built_at         timestamptz,
    closed_at        timestamptz,
    released_at      timestamptz,
    closed_by_run_id text,                                  -- the run that completed a batch of another run
    CONSTRAINT dry_run_holds_no_fines CHECK (NOT dry_run OR (released_at IS NOT NULL AND closed_at IS NULL)),
    UNIQUE (id, dry_run)                                    -- for deliveries
);
COMMENT ON TABLE batches IS 'One export of one profile: its fines, amounts and file. Its state is in the view batches_with_state.';

CREATE UNIQUE INDEX batches_profile_run_id ON batches (profile, run_id) WHERE released_at IS NULL;
CREATE INDEX batches_unfinished ON batches (profile) WHERE closed_at IS NULL AND released_at IS NULL;

CREATE TABLE batch_lines (
    batch_id                bigint  NOT NULL,
    number                  integer NOT NULL,
    transaction_id          text    NOT NULL UNIQUE,
    reversal                boolean NOT NULL DEFAULT false, -- of a charge that was settled at the library after its export
    reversed_transaction_id text,                           -- the transaction that a reversal or a credit takes back
    fine_id                 bigint  NOT NULL,
    user_id                 bigint  NOT NULL,
    identifier              text    NOT NULL,
    patron_name             text    NOT NULL,
    fine_fee_type           text    NOT NULL,
    comment                 text,
    owner_library_id        text,
    owner_library_code      text,
    last_transaction_at     timestamptz NOT NULL,
    item_id                 bigint,
    item_title              text,
    item_call_number        text,
    item_library            text,
    item_location           text,
    item_internal_location  text,
    item_due_date           timestamptz,
    item_barcode            text,
    currency                text    NOT NULL,
    amount                  numeric(14, 3) NOT NULL,
    vat                     numeric(14, 3),
    PRIMARY KEY (batch_id, number)
);
COMMENT ON TABLE batch_lines IS 'A fine as the file of a batch shows it, frozen at the selection.';
COMMENT ON COLUMN batch_lines.batch_id IS 'references batches';
COMMENT ON COLUMN batch_lines.fine_id IS 'references fines';
COMMENT ON COLUMN batch_lines.user_id IS 'references users';
COMMENT ON COLUMN batch_lines.item_id IS 'references items';

CREATE INDEX batch_lines_fine_id ON batch_lines (fine_id);

CREATE TABLE batch_claims (
    fine_id  bigint NOT NULL,
    batch_id bigint NOT NULL,
    reversal boolean NOT NULL DEFAULT false,                -- claims the reversal; the fine itself stays free
    PRIMARY KEY (fine_id, reversal)                         -- keeps two exports from selecting the same fine
);
COMMENT ON TABLE batch_claims IS 'A fine, or the reversal of one, that an unfinished batch has selected.';
COMMENT ON COLUMN batch_claims.fine_id IS 'references fines';
COMMENT ON COLUMN batch_claims.batch_id IS 'references batches';

CREATE TABLE closed_partitions (
    batch_id         bigint   NOT NULL,
    partition_number smallint NOT NULL,                     -- that of a fine is its id modulo partition_count
    partition_count  smallint NOT NULL,
    fines            integer  NOT NULL,
    PRIMARY KEY (batch_id, partition_number)                -- a partition is closed once, by whatever worker
);
COMMENT ON TABLE closed_partitions IS 'A part of a batch whose fines one transaction closed, and this row with them.';
COMMENT ON COLUMN closed_partitions.batch_id IS 'references batches';

CREATE TABLE transaction_ids (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT only_one_row CHECK (singleton),
    next      bigint NOT NULL                               -- increased by the transaction that selects
);
COMMENT ON TABLE transaction_ids IS 'The next transaction id for a batch line: one row.';
INSERT INTO transaction_ids (next) VALUES (1);

CREATE FUNCTION reject_reuse_of_transaction_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the next transaction id is %: it can only increase', OLD.next USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_reuse_of_transaction_ids BEFORE UPDATE ON transaction_ids
    FOR EACH ROW WHEN (NEW.next < OLD.next) EXECUTE FUNCTION reject_reuse_of_transaction_ids();

-- The bursar (profile) and the transaction id of each exported fine. A fine is exported once.
CREATE VIEW exported_fines AS
SELECT batch_lines.fine_id, batch_lines.transaction_id, batch_lines.batch_id, batches.profile, batches.import_active
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
WHERE batches.closed_at IS NOT NULL AND NOT batch_lines.reversal;
COMMENT ON VIEW exported_fines IS 'An exported fine, with its bursar (profile) and transaction id.';

-- Text as XML has it. A control character, which XML 1.0 forbids, becomes a space, so that words stay apart.
CREATE FUNCTION xml_text(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value COLLATE "C" ~ '[&<>\u0001-\u0008\u000B-\u001F\u007F\uFFFE\uFFFF]' THEN
        replace(replace(replace(replace(
            regexp_replace(value COLLATE "C", '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F\uFFFE\uFFFF]', ' ', 'g'),
            '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), E'\r', '&#13;')
    ELSE value END
$$;


-- Deliveries -----------------------------------------------------------------------------------------------------------------

CREATE TABLE deliveries (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id          bigint      NOT NULL,
    kind              text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('first', 'resend')),
    run_id            text        NOT NULL,                 -- the Airflow run that selected the batch, or that resends it
    requested_by      text,                                 -- the login of the person who triggered a resend, if known
    requested_at      timestamptz NOT NULL DEFAULT now(),
    upload_started_at timestamptz,
    remote_folder     text,                                 -- server and folder of the upload, without the password
    uploaded_at       timestamptz,
    part_name         text,                                 -- the part that is complete and verified, until its renaming
    unclear_at        timestamptz,
    delivered_at      timestamptz,
    confirmed_by      text,                                 -- the login of the person who confirmed an unclear delivery
    dry_run           boolean     NOT NULL GENERATED ALWAYS AS (false) STORED,   -- for the foreign key
    -- UNCLEAR: the server acknowledged the whole file and has it no more. A person finds out whether the bursar has it.
    state text GENERATED ALWAYS AS (
        CASE WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
             WHEN unclear_at IS NOT NULL THEN 'UNCLEAR'
             WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
             WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
             ELSE 'REQUESTED' END) STORED,
    UNIQUE (batch_id, run_id),
    CONSTRAINT dry_run_is_never_uploaded FOREIGN KEY (batch_id, dry_run) REFERENCES batches (id, dry_run)
);
COMMENT ON TABLE deliveries IS 'A delivery of the file of a batch: the first one, or a resend at the request of a person.';

CREATE UNIQUE INDEX deliveries_first ON deliveries (batch_id) WHERE kind = 'first';
CREATE INDEX deliveries_run_id ON deliveries (run_id);

CREATE TABLE upload_attempts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id   bigint      NOT NULL REFERENCES deliveries,
    part_name     text        NOT NULL,                     -- its own: no two attempts write one file on the server
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_block_at timestamptz,                              -- recorded before the last block was sent
    removed_at    timestamptz                               -- when Bursar had removed the part, as the server confirmed
);
COMMENT ON TABLE upload_attempts IS
    'An attempt to upload the file of a delivery. If its last block was sent and its part is gone, the bursar may have the file.';

CREATE INDEX upload_attempts_delivery_id ON upload_attempts (delivery_id);

-- Batches with the state that follows from their own steps and from those of their first delivery. A transaction that has locked
-- the row in batches reads a state that nobody changes until it ends. It has to read in a statement of its own, after the lock:
-- PostgreSQL reads the row that it waited for again, but not the rows joined to it.
CREATE VIEW batches_with_state AS
SELECT batches.*, deliveries.remote_folder, deliveries.delivered_at,
       CASE WHEN batches.dry_run THEN 'DRY_RUN'
            WHEN batches.released_at IS NOT NULL THEN 'RELEASED'
            WHEN batches.closed_at IS NOT NULL THEN 'CLOSED'
            WHEN deliveries.state <> 'REQUESTED' THEN deliveries.state
            WHEN batches.built_at IS NOT NULL THEN 'BUILT'
            ELSE 'SELECTED' END AS state
FROM batches LEFT JOIN deliveries ON deliveries.batch_id = batches.id AND deliveries.kind = 'first';
COMMENT ON VIEW batches_with_state IS 'A batch, with the state that follows from its steps and those of its first delivery.';


-- Imports --------------------------------------------------------------------------------------------------------------------

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


-- Maintenance jobs: Purge User Records and Bulk Fine Waiving -----------------------------------------------------------------

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


-- Reports, notifications, monitoring and approvals ---------------------------------------------------------------------------

CREATE TABLE run_reports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job          text        NOT NULL CONSTRAINT job_is_known CHECK (job IN ('export', 'import', 'purge', 'waive')),
    profile      text,                                      -- NULL for jobs of the whole institution
    run_id       text        NOT NULL,                      -- the Airflow run
    dry_run      boolean     NOT NULL,
    as_of        timestamptz,
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL,
    outcome      text        NOT NULL CONSTRAINT outcome_is_known CHECK (outcome IN (
                     'completed', 'completed with warnings', 'nothing to do', 'failed')),
    files        text[]      NOT NULL,
    users        integer     NOT NULL,
    fines        integer     NOT NULL,
    totals       jsonb       NOT NULL,                      -- {currency: {charges, credits}}
    skipped      jsonb       NOT NULL,                      -- {reason: {fines, users, net: {currency: amount}}}
    rejects      jsonb       NOT NULL,                      -- {outcome: {records, sums: {currency: amount}}}
    task_timings json        NOT NULL,                      -- {task: seconds}, in the order of their starts
    messages     text[]      NOT NULL                       -- sentences for a librarian
);
COMMENT ON TABLE run_reports IS 'The report of a run of a job.';

CREATE UNIQUE INDEX run_reports_job_profile_run_id ON run_reports (job, coalesce(profile, ''), run_id);
CREATE INDEX run_reports_started_at ON run_reports (started_at);

CREATE TABLE task_timings (
    job        text             NOT NULL,
    profile    text             NOT NULL,
    run_id     text             NOT NULL,
    task       text             NOT NULL,
    map_key    text             NOT NULL,                   -- of a task that is mapped over files, the file; else empty
    started_at timestamptz      NOT NULL,
    seconds    double precision NOT NULL,
    error      text,                                        -- why the last try failed; NULL if it succeeded
    PRIMARY KEY (job, profile, run_id, task, map_key)
);
COMMENT ON TABLE task_timings IS 'The time that all tries of a task of a run took, and the error of the last one.';

CREATE TABLE sent_notifications (
    dedup_key text        NOT NULL,                         -- the same for the same event
    recipient text        NOT NULL,                         -- an address or a chat room
    sent_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dedup_key, recipient)
);
COMMENT ON TABLE sent_notifications IS 'A notification that a recipient has got and does not get again.';

CREATE TABLE monitored_jobs (
    job             text        NOT NULL,
    profile         text        NOT NULL,
    monitored_since timestamptz NOT NULL,                   -- no alert is about the time before
    PRIMARY KEY (job, profile)
);
COMMENT ON TABLE monitored_jobs IS 'A job of a profile that is monitored.';

CREATE TABLE approvals (
    batch_id     bigint PRIMARY KEY REFERENCES batches,
    reasons      text[]      NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    times_asked  integer     NOT NULL DEFAULT 0,            -- 0: the upload found out that nobody had been asked
    answer       text CONSTRAINT answer_is_known CHECK (answer IN ('approved', 'refused', 'unanswered')),
    answered_by  text,
    answered_at  timestamptz,
    CONSTRAINT answer_has_a_time CHECK ((answer IS NULL) = (answered_at IS NULL))
);
COMMENT ON TABLE approvals IS 'A batch beyond the limits of its profile: why a person has to approve it, and the answer.';
