-- What a campaign of faults, an attack and a field test found.

-- Uploads.


-- Rights.


-- The desk and loads.


-- Imports.


-- Approvals and alerts.

-- How often people were asked to approve a batch; 0 if the upload found out that nobody had been asked.
ALTER TABLE approvals ADD COLUMN times_asked integer NOT NULL DEFAULT 1;    -- what is recorded by now was asked
ALTER TABLE approvals ALTER COLUMN times_asked SET DEFAULT 0;

SELECT 1;
