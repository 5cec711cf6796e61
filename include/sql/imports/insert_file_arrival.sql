-- Registers which file arrived under a name in a run; a later try of the run may find other bytes under it, as long as none of
-- the run has read the earlier ones. Gives nothing if one has: the run stays with what it read.
INSERT INTO file_arrivals AS known (file_id, profile, run_id, name, size, modified)
SELECT id, :profile, :run_id, :name, :size, :modified FROM import_files WHERE sha256 = :sha256
ON CONFLICT (profile, run_id, name) DO UPDATE
    SET file_id = EXCLUDED.file_id, size = EXCLUDED.size, modified = EXCLUDED.modified, archived_at = NULL,
        archived_path = NULL, warning = NULL
    WHERE NOT EXISTS (SELECT FROM import_files WHERE id = known.file_id AND read_at IS NOT NULL)
RETURNING file_id;
