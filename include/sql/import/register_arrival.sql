-- Registers which file arrived under a name in a run; a later try of the run may find other bytes under it, as long as none of
-- the run has read the earlier ones. Gives nothing if one has: the run stays with what it read.
INSERT INTO arrivals AS known (file_id, profile, run, name, size, modified)
SELECT id, :profile, :run, :name, :size, :modified FROM import_files WHERE sha256 = :sha256
ON CONFLICT (profile, run, name) DO UPDATE
    SET file_id = EXCLUDED.file_id, size = EXCLUDED.size, modified = EXCLUDED.modified, put_away_at = NULL,
        put_away_to = NULL, warning = NULL
    WHERE NOT EXISTS (SELECT FROM import_files WHERE id = known.file_id AND read_at IS NOT NULL)
RETURNING file_id;
