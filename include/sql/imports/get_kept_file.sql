-- Returns the state of the file with these bytes, whether its arrival under a name is registered, and whether an arrival of it has
-- been archived. Without times, only the arrival of the same run is known to be the same one. Returns nothing if it is unknown.
SELECT files.state, coalesce(bool_or(arrivals.name = :name AND arrivals.size = :size AND (
           arrivals.run_id = :run_id OR arrivals.modified = :modified AND arrivals.modified > 'epoch')), false) AS is_registered,
       coalesce(bool_or(arrivals.archived_path IS NOT NULL), false) AS is_archived
FROM import_files AS files LEFT JOIN file_arrivals AS arrivals ON arrivals.file_id = files.id AND arrivals.profile = :profile
WHERE files.sha256 = :sha256 AND files.repeated_arrival_id IS NULL
GROUP BY files.state;
