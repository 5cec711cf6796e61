-- Registers a statement that was rejected, and why; does nothing if the run has compared one of this name.
INSERT INTO statements AS known (profile, run_id, name, size, modified, sha256, layout, lists, of_users, stated_at, rejection)
VALUES (:profile, :run_id, :name, :size, :modified, :sha256, :layout, :lists, :of_users, :stated_at, :rejection)
ON CONFLICT (profile, run_id, name) DO UPDATE
SET size = EXCLUDED.size, modified = EXCLUDED.modified, sha256 = EXCLUDED.sha256, rejection = EXCLUDED.rejection, archived_at = NULL,
    archived_path = NULL, warning = NULL
WHERE known.compared_at IS NULL;
