-- Registers for a run a file that the sensor has seen in the profile's folder and that another run has registered, by name, size
-- and time. Returns nothing if there is none.
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)
SELECT known.file_id, known.profile, :run_id, known.name, known.size, known.modified
FROM observed_files
JOIN file_arrivals AS known ON (known.profile, known.name, known.size, known.modified)
                        = (observed_files.profile, observed_files.name, observed_files.size, observed_files.modified)
JOIN import_files ON import_files.id = known.file_id
WHERE observed_files.profile = :profile AND observed_files.name = :name AND observed_files.modified > 'epoch'  -- some servers list no times
ORDER BY import_files.state = 'REGISTERED', known.id DESC
LIMIT 1
ON CONFLICT (profile, run_id, name) DO UPDATE SET file_id = file_arrivals.file_id
RETURNING file_id;
