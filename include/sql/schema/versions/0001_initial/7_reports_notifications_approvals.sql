-- Reports, notifications, monitoring and approvals.

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
