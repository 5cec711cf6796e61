-- Statements: what a bursar says is open, or was billed, and how it compares with the ledger. They change no money.

ALTER TABLE run_reports
    DROP CONSTRAINT job_is_known,
    ADD CONSTRAINT job_is_known CHECK (job IN ('export', 'import', 'statement', 'sync', 'purge', 'waive'));

CREATE TABLE statements (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile       text        NOT NULL,
    run_id        text        NOT NULL,                     -- the Airflow run that compared it
    name          text        NOT NULL,
    size          bigint      NOT NULL,
    modified      timestamptz NOT NULL,
    sha256        text        NOT NULL,                     -- the same bytes are compared again: the ledger may have changed
    layout        text        NOT NULL,
    lists         text        NOT NULL CONSTRAINT lists_is_known CHECK (lists IN ('open', 'billed')),
    of_users      boolean     NOT NULL,                     -- whether its lines are totals of users
    stated_at     timestamptz NOT NULL,                     -- the moment for which it counts
    lines         integer,
    users         integer,                                  -- with a result
    outcomes      jsonb,                                    -- {outcome: {results, ours: {currency}, theirs: {currency}}}
    rejection     text,                                     -- why the whole file was rejected, with its line
    registered_at timestamptz NOT NULL DEFAULT now(),
    compared_at   timestamptz,
    archived_at   timestamptz,
    archived_path text,
    warning       text,                                     -- about the file, for the report of the run
    CONSTRAINT compared_or_rejected CHECK ((compared_at IS NULL) = (outcomes IS NULL) AND (compared_at IS NULL) <> (rejection IS NULL)),
    UNIQUE (profile, run_id, name)
);
COMMENT ON TABLE statements IS 'A statement of a bursar, which was compared with the ledger or rejected.';
CREATE INDEX statements_name ON statements (profile, name);

CREATE TABLE statement_results (
    statement_id   bigint  NOT NULL REFERENCES statements ON DELETE CASCADE,
    number         integer NOT NULL,                        -- differences first
    outcome        text    NOT NULL CONSTRAINT outcome_is_known CHECK (outcome IN (
                       'DIFFERS', 'UNKNOWN_THERE', 'UNKNOWN_HERE', 'INVALID', 'PENDING', 'AGREES')),
    user_id        bigint,                                  -- references users
    fine_id        bigint,                                  -- references fines; NULL: the total of a user, or unknown here
    transaction_id text,                                    -- of the line that was exported; if unknown here, as in the file
    identifier     text,                                    -- of the user in the export; if unknown here, as in the file
    line           integer,                                 -- the first one in the file; NULL: not in it
    lines          integer NOT NULL,                        -- in the file, added up
    currency       text,
    ours           numeric(14, 3) NOT NULL,
    theirs         numeric(14, 3) NOT NULL,
    lower_since    timestamptz,                             -- the first statement in a row with less than ours
    reason         text,
    PRIMARY KEY (statement_id, number)
);
COMMENT ON TABLE statement_results IS 'A fine, or a user''s total, as a statement and the ledger have it.';
CREATE INDEX statement_results_user_id ON statement_results (user_id) WHERE identifier IS NOT NULL;
CREATE INDEX statement_results_identifier ON statement_results (identifier) WHERE identifier IS NOT NULL AND user_id IS NULL;
