-- The ledger: who owes what, who was told, and every change that led there.

CREATE TABLE user_groups (
    code text PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE libraries (
    code text PRIMARY KEY,
    id   text NOT NULL UNIQUE,      -- libraryId in the exchange format
    name text NOT NULL
);

CREATE TABLE users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    last_name   text NOT NULL,
    first_name  text NOT NULL DEFAULT '',
    user_group  text NOT NULL REFERENCES user_groups,
    expiry_date date,
    purge_date  date
);

-- One identifier of each type a user; type userName is the primary id.
CREATE TABLE identifiers (
    user_id bigint NOT NULL REFERENCES users,
    type    text   NOT NULL,
    value   text   NOT NULL,
    PRIMARY KEY (user_id, type),
    UNIQUE (type, value)
);

CREATE TABLE items (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    barcode           text NOT NULL UNIQUE,
    title             text NOT NULL DEFAULT '',
    call_number       text,
    library           text REFERENCES libraries,    -- where it stands today; says nothing about who owns a fine
    location          text,
    internal_location text
);

CREATE TABLE fines (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- the internal id that nobody can configure
    source_id     text UNIQUE,                       -- its id in the library system it was loaded from
    user_id       bigint NOT NULL REFERENCES users,
    item_id       bigint REFERENCES items,
    owner_library text REFERENCES libraries,         -- NULL: the institution
    fine_fee_type text NOT NULL,
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount        numeric(14, 3) NOT NULL CHECK (amount <> 0),
    vat           numeric(14, 3),
    comment       text,
    item_due_date timestamptz,
    created_at    timestamptz NOT NULL,
    reverses      bigint REFERENCES fines,           -- the charge that a credit takes back
    -- Kept by the journal's trigger, and by nothing else.
    status        text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'DISPUTED', 'CLOSED', 'TRANSFERRED')),
    balance       numeric(14, 3) NOT NULL DEFAULT 0,
    outstanding   numeric(14, 3) NOT NULL DEFAULT 0,
    last_transaction_at timestamptz,
    CONSTRAINT credits_are_negative CHECK ((amount < 0) = (fine_fee_type = 'CREDIT')),
    CONSTRAINT balance_within_amount CHECK (
        balance * amount >= 0 AND outstanding * amount >= 0 AND abs(balance) + abs(outstanding) <= abs(amount))
);

CREATE INDEX fines_with_a_balance ON fines (user_id) WHERE balance <> 0;
CREATE INDEX fines_of_user ON fines (user_id);

-- A fine keeps its user, amount, currency, type and owner for life.
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

-- One export: which fines, which amounts, which file. Its moments are the truth; its state follows from them.
CREATE TABLE batches (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- exportNumber in the file
    profile           text NOT NULL,
    run_id               text NOT NULL,                -- the Airflow run that selected it
    as_of             timestamptz NOT NULL,
    import_active     boolean NOT NULL,             -- closed fines become outstanding, or count as paid
    render_options          jsonb NOT NULL,               -- whatever shapes the file besides the lines
    sftp_connection   text NOT NULL,
    output_file_path  text NOT NULL,
    file_name         text NOT NULL,
    users             integer NOT NULL,
    fines             integer NOT NULL,
    totals            jsonb NOT NULL,               -- {currency: {charges, credits}}, amounts as text
    skipped       jsonb NOT NULL,               -- {reason: {fines, users, net: {currency: amount}}}
    file_size         bigint,
    sha256            text,
    selected_at       timestamptz NOT NULL DEFAULT now(),
    built_at     timestamptz,
    upload_started_at timestamptz,
    remote_folder     text,                         -- server and folder that the upload went to, without the password
    uploaded_at  timestamptz,
    delivered_at      timestamptz,
    closed_at         timestamptz,
    released_at       timestamptz,
    state text GENERATED ALWAYS AS (
        CASE WHEN released_at IS NOT NULL THEN 'RELEASED'
             WHEN closed_at IS NOT NULL THEN 'CLOSED'
             WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
             WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
             WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
             WHEN built_at IS NOT NULL THEN 'BUILT'
             ELSE 'SELECTED' END) STORED
);

CREATE UNIQUE INDEX batches_one_a_run ON batches (profile, run_id) WHERE released_at IS NULL;
CREATE INDEX batches_unfinished ON batches (profile) WHERE closed_at IS NULL AND released_at IS NULL;

-- What the file shows, frozen when it was selected. No foreign keys: one statement writes them beside their batch,
-- and a million look-ups would cost more than that statement.
CREATE TABLE batch_lines (
    batch_id               bigint  NOT NULL,
    number                 integer NOT NULL,
    transaction_id         text    NOT NULL UNIQUE,
    fine_id                bigint  NOT NULL,
    user_id                bigint  NOT NULL,
    identifier             text    NOT NULL,
    patron_name            text    NOT NULL,
    fine_fee_type          text    NOT NULL,
    comment                text,
    owner_library_id       text,
    owner_library_code     text,
    last_transaction_at    timestamptz NOT NULL,
    item_id                bigint,
    item_title             text,
    item_call_number       text,
    item_library           text,
    item_location          text,
    item_internal_location text,
    item_due_date          timestamptz,
    item_barcode           text,
    currency               text    NOT NULL,
    amount                 numeric(14, 3) NOT NULL,
    vat                    numeric(14, 3),
    PRIMARY KEY (batch_id, number)
);

CREATE INDEX lines_of_fine ON batch_lines (fine_id);

-- A fine in an unfinished batch. The primary key is what keeps two exports from ever taking the same fine.
CREATE TABLE batch_claims (
    fine_id  bigint PRIMARY KEY,
    batch_id bigint NOT NULL
);

-- The next bursar transaction id: one row, counted up inside the transaction that selects.
CREATE TABLE transaction_ids (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next     bigint NOT NULL
);
INSERT INTO transaction_ids (next) VALUES (1);

-- Every change to a fine, for ever. Balance, outstanding and status follow from it.
CREATE TABLE journal_entries (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fine_id            bigint NOT NULL,
    entry_type               text NOT NULL CHECK (entry_type IN (
                           'CHARGED', 'PAID', 'WAIVED', 'REFUNDED', 'DISPUTED', 'DISPUTE_SETTLED',
                           'EXPORTED', 'EXPORTED_AND_PAID')),
    balance_change     numeric(14, 3) NOT NULL DEFAULT 0,
    outstanding_change numeric(14, 3) NOT NULL DEFAULT 0,
    posted_at                 timestamptz NOT NULL DEFAULT now(),
    batch_id           bigint,
    comment            text
);

CREATE INDEX journal_of_fine ON journal_entries (fine_id);

CREATE FUNCTION reject_changes_of_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: write a correcting entry' USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_changes_of_journal BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entries
    FOR EACH STATEMENT EXECUTE FUNCTION reject_changes_of_journal();

-- Carries new entries into the fines they belong to, and refuses entries for a fine that a batch holds.
-- The update comes first: it waits for an export that is selecting, so that the check sees that export's claims.
CREATE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding, max(posted_at) AS posted_at,
               (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            last_transaction_at = greatest(fines.last_transaction_at, change.posted_at),
            status = CASE
                WHEN change.entry_type = 'DISPUTED' THEN 'DISPUTED'
                WHEN fines.balance + change.balance <> 0 THEN
                    CASE WHEN change.entry_type = 'DISPUTE_SETTLED' OR fines.status <> 'DISPUTED' THEN 'ACTIVE' ELSE 'DISPUTED' END
                WHEN fines.status = 'TRANSFERRED' THEN 'TRANSFERRED'
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
    WHERE entries.batch_id IS DISTINCT FROM batch_claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER apply_journal_entries AFTER INSERT ON journal_entries
    REFERENCING NEW TABLE AS entries
    FOR EACH STATEMENT EXECUTE FUNCTION apply_journal_entries();
