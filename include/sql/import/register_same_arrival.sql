-- Registers for a run a file that the sensor saw in the profile's folder and that another run has registered: name, size and time
-- are those that were seen. Gives nothing if there is none.
INSERT INTO arrivals (file_id, profile, run, name, size, modified)
SELECT known.file_id, known.profile, :run, known.name, known.size, known.modified
FROM sightings
JOIN arrivals AS known ON (known.profile, known.name, known.size, known.modified)
                        = (sightings.profile, sightings.name, sightings.size, sightings.modified)
JOIN import_files ON import_files.id = known.file_id
WHERE sightings.profile = :profile AND sightings.name = :name AND sightings.modified > 'epoch'  -- some servers tell no times
ORDER BY import_files.state = 'REGISTERED', known.id DESC
LIMIT 1
ON CONFLICT (profile, run, name) DO UPDATE SET file_id = arrivals.file_id
RETURNING file_id;
