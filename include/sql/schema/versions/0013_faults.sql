-- What a campaign of faults, an attack and a field test found.

-- Uploads.


-- Rights.


-- The desk and loads.


-- Imports.

-- What a person has to know about the archiving of a file, for the report of the run.
ALTER TABLE arrivals ADD COLUMN warning text;


-- Approvals and alerts.

SELECT 1;
