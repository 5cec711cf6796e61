-- Records a load.
INSERT INTO loads (id, source, run_id, requested_by, started_at, is_complete, is_refused, files, counts, rejected, entries)
OVERRIDING SYSTEM VALUE
VALUES (:id, :source, :run_id, :requested_by, :started_at, :is_complete, :is_refused, CAST(:files AS jsonb),
        CAST(:counts AS jsonb), CAST(:rejected AS jsonb), CAST(:entries AS jsonb));
