-- The repeated files of some profiles that a person may apply after all, newest first: those of the last 30 days, and older
-- ones that have paid a fine which is outstanding, as they may report another payment of it.
SELECT repeated.id, repeated.profile, repeated.run_id, repeated.name, repeated.applied_name, repeated.applied_at
FROM repeated_arrivals AS repeated
JOIN file_arrivals ON file_arrivals.id = repeated.id
WHERE repeated.profile = ANY (CAST(:profiles AS text[])) AND repeated.again_file_id IS NULL AND NOT repeated.is_same_file
  AND (coalesce(file_arrivals.archived_at, file_arrivals.modified) > now() - interval '30 days' OR repeated.file_id IN (
      SELECT payments.import_file_id
      FROM fines CROSS JOIN LATERAL (
          SELECT import_file_id FROM journal_entries WHERE fine_id = fines.id AND import_file_id IS NOT NULL
          OFFSET 0  -- so that the planner looks it up fine by fine
      ) AS payments
      WHERE fines.outstanding <> 0))
ORDER BY repeated.id DESC LIMIT :limit;
