-- Registers a statement that is compared; replaces one of the same run that was rejected. Returns its id.
INSERT INTO statements AS known (profile, run_id, name, size, modified, sha256, layout, lists, of_users, stated_at, lines, compared_at, outcomes)
VALUES (:profile, :run_id, :name, :size, :modified, :sha256, :layout, :lists, :of_users, :stated_at, :lines, clock_timestamp(), '{}')
ON CONFLICT (profile, run_id, name) DO UPDATE
SET size = EXCLUDED.size, modified = EXCLUDED.modified, sha256 = EXCLUDED.sha256, layout = EXCLUDED.layout, lists = EXCLUDED.lists,
    of_users = EXCLUDED.of_users, stated_at = EXCLUDED.stated_at, lines = EXCLUDED.lines, compared_at = EXCLUDED.compared_at,
    outcomes = EXCLUDED.outcomes, rejection = NULL, archived_at = NULL, archived_path = NULL, warning = NULL
WHERE known.compared_at IS NULL
RETURNING id;
