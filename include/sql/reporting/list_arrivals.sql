-- Lists the files that arrived in a run of a profile: their names then, whether this arrival is the one that was applied, and the
-- warning about their archiving.
SELECT import_files.id, file_arrivals.id AS arrival_id, file_arrivals.name, import_files.records, import_files.outcomes,
       import_files.amount_mode,
       coalesce(import_files.applied_by_run_id = file_arrivals.run_id, false)
           AND file_arrivals.id NOT IN (SELECT id FROM repeated_arrivals WHERE profile = :profile AND run_id = :run_id)
           AS applied_here,
       file_arrivals.warning
FROM file_arrivals JOIN import_files ON import_files.id = file_arrivals.file_id
WHERE file_arrivals.profile = :profile AND file_arrivals.run_id = :run_id
ORDER BY file_arrivals.id;
