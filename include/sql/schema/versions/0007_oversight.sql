-- Who was told what, since when what is watched, and who approved which batch.

-- What recipients (addresses, chat rooms) were told, so that nobody is told it again.
CREATE TABLE sent_notifications (
    dedup_key      text        NOT NULL,
    recipient text        NOT NULL,
    sent_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dedup_key, recipient)
);

-- Since when a job of a profile has been watched: what it did not do before that is nobody's alarm.
CREATE TABLE monitored_jobs (
    job     text        NOT NULL,
    profile text        NOT NULL,
    since   timestamptz NOT NULL,
    PRIMARY KEY (job, profile)
);

-- Batches beyond the limits of their profile: why they had to wait for a person, and what the person said.
CREATE TABLE approvals (
    batch_id    bigint PRIMARY KEY REFERENCES batches,
    reasons     text[]      NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    answer      text CHECK (answer IN ('approved', 'refused', 'unanswered')),
    answered_by text,
    answered_at timestamptz,
    CHECK ((answer IS NULL) = (answered_at IS NULL))
);
