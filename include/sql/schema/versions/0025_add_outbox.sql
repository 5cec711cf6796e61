-- Library systems with an API: how far each was read, and what each is informed of about its fines.

CREATE TABLE system_sources (
    source        text PRIMARY KEY,
    key_namespace uuid        NOT NULL DEFAULT gen_random_uuid(),   -- of the keys of its events
    read_at       timestamptz,                              -- the system's own moment at the start of the last loaded reading
    complete_at   timestamptz,                              -- the same of the last complete one
    collected_to  bigint      NOT NULL,                     -- later entries are looked at again
    seen_to       bigint      NOT NULL,                     -- the newest entry at seen_at; a day later it becomes collected_to
    seen_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE system_sources IS 'A source that is a system with an API: how far it was read, and the journal looked at for it.';
COMMENT ON COLUMN system_sources.collected_to IS 'references journal_entries';
COMMENT ON COLUMN system_sources.seen_to IS 'references journal_entries';

CREATE TABLE outbox_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source         text           NOT NULL REFERENCES system_sources,
    entry_id       bigint         NOT NULL,
    fine_id        bigint         NOT NULL,                 -- of the source; of a credit made in Bursar, the charge that it reverses
    kind           text           NOT NULL CONSTRAINT kind_is_known CHECK (
                       kind IN ('handed_over', 'paid_at_bursar', 'reversed', 'owed_again')),
    amount         numeric(14, 3) NOT NULL CONSTRAINT amount_is_positive CHECK (amount > 0),
    state          text           NOT NULL CONSTRAINT state_is_known CHECK (
                       state IN ('off', 'shown', 'pending', 'unknown', 'done', 'refused')),
    attempts       integer        NOT NULL DEFAULT 0,
    attempted_at   timestamptz,                             -- the beginning of the last attempt to write it
    answered_at    timestamptz,
    answer         text           NOT NULL DEFAULT '',      -- of the system, in words
    balance_change numeric(14, 3) NOT NULL DEFAULT 0,       -- of the fine in the system, by this event
    decision       text CONSTRAINT decision_is_known CHECK (decision IN ('retry', 'done')),
    decided_by     text,
    decided_at     timestamptz,
    CONSTRAINT an_entry_is_reported_once UNIQUE (entry_id, source),
    CONSTRAINT a_decision_has_a_person CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3))
);
COMMENT ON TABLE outbox_events IS 'An entry of the journal that a library''s system is informed of, and what became of it there.';
COMMENT ON COLUMN outbox_events.entry_id IS 'references journal_entries';
COMMENT ON COLUMN outbox_events.fine_id IS 'references fines';
CREATE INDEX outbox_events_open ON outbox_events (source, id) WHERE state IN ('pending', 'unknown', 'refused');
CREATE INDEX outbox_events_fine_id ON outbox_events (fine_id);

CREATE INDEX load_messages_unmapped ON load_messages (load_id) WHERE code = 'unmapped';
