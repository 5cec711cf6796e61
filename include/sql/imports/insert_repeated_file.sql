-- Registers the file of an arrival once more, so that its payments are applied again; returns its id.
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at,
                          repeated_arrival_id, requested_by, layout, user_matching)
SELECT arrivals.profile, arrivals.run_id, arrivals.name, arrivals.size, arrivals.modified, files.sha256, :amount_mode,
       files.records, files.totals, clock_timestamp(), arrivals.id, :requested_by,
       files.layout, files.user_matching
FROM file_arrivals AS arrivals JOIN import_files AS files ON files.id = arrivals.file_id
WHERE arrivals.id = :arrival_id
RETURNING id;
