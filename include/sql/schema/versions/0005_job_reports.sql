-- What each run did: one report for each run of a job.

CREATE TABLE run_reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text        NOT NULL CHECK (job IN ('export', 'import', 'purge', 'waive')),
    profile     text,                               -- NULL for jobs of the whole institution
    run_id         text        NOT NULL,               -- the Airflow run
    dry_run     boolean     NOT NULL,
    as_of       timestamptz,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN (
                    'completed', 'completed with warnings', 'nothing to do', 'failed')),
    files       text[]      NOT NULL,
    users       integer     NOT NULL,
    fines       integer     NOT NULL,
    totals      jsonb       NOT NULL,               -- {currency: {charges, credits}}, amounts as text
    skipped jsonb       NOT NULL,               -- {reason: {fines, users, net: {currency: amount}}}
    rejects     jsonb       NOT NULL,               -- {outcome: {records, sums: {currency: amount}}}
    task_timings      json        NOT NULL,               -- {stage: seconds}, in the order of their beginnings
    messages    text[]      NOT NULL                -- sentences for a librarian
);

CREATE UNIQUE INDEX job_reports_one_a_run ON run_reports (job, coalesce(profile, ''), run_id);
CREATE INDEX job_reports_by_start ON run_reports (started_at);

-- What the tries of a stage of a run took together, on whatever worker, and what the last of them said.
CREATE TABLE task_timings (
    job        text             NOT NULL,
    profile    text             NOT NULL,
    run_id        text             NOT NULL,
    task      text             NOT NULL,
    map_key       text             NOT NULL,           -- of a stage that runs once a file, the file; else empty
    started_at timestamptz      NOT NULL,
    seconds    double precision NOT NULL,
    error      text,                                -- why the last try failed; NULL if it succeeded
    PRIMARY KEY (job, profile, run_id, task, map_key)
);

-- The run that ended a batch which another run had left; NULL if the batch's own run did, or a person.
ALTER TABLE batches ADD COLUMN closed_by_run_id text;

-- The run that applied a file; the run that read it may have failed before that.
ALTER TABLE import_files ADD COLUMN applied_by text;
