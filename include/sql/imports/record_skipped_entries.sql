-- requires: listing
-- Records the entries of a profile's folder that are not taken, with the reason, and forgets those that have left it. Returns those
-- that are new, or have another reason than before; the report of a run names them.
WITH not_taken AS (
    SELECT DISTINCT ON (name) name, reason, is_odd
    FROM (
        SELECT name, reason, is_odd FROM listing WHERE reason IS NOT NULL
        UNION ALL
        SELECT name, 'its done file is missing', false FROM listing
        WHERE is_wanted AND CAST(:done_file_suffix AS text) IS NOT NULL
          AND NOT EXISTS (SELECT FROM listing AS done WHERE done.name = listing.name || CAST(:done_file_suffix AS text))
    ) AS entries
    ORDER BY name, is_odd DESC, reason
), gone AS (
    DELETE FROM skipped_entries
    WHERE profile = :profile AND NOT EXISTS (SELECT FROM not_taken WHERE not_taken.name = skipped_entries.name)
)
INSERT INTO skipped_entries AS known (profile, name, reason, is_odd)
SELECT :profile, name, reason, is_odd FROM not_taken
ON CONFLICT (profile, name) DO UPDATE
SET reason = EXCLUDED.reason, is_odd = EXCLUDED.is_odd, observed_at = EXCLUDED.observed_at, run_id = NULL
WHERE known.reason <> EXCLUDED.reason
RETURNING name, reason, is_odd;
