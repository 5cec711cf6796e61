-- A page of the rejected files of payments of some profiles, newest first, below the file :below: for 90 days, or until a later file
-- of the same name has been applied.
SELECT id, profile, run_id, name, rejection, rejected_at
FROM import_files AS rejected
WHERE rejected_at > now() - interval '90 days' AND profile = ANY (CAST(:profiles AS text[])) AND NOT EXISTS (
    SELECT FROM import_files AS later
    WHERE later.profile = rejected.profile AND later.name = rejected.name AND later.id > rejected.id
      AND later.applied_at IS NOT NULL)
  AND (CAST(:below AS bigint) IS NULL
       OR (rejected_at, id) < (SELECT last.rejected_at, last.id FROM import_files AS last WHERE last.id = :below))
ORDER BY rejected_at DESC, id DESC LIMIT :limit;
