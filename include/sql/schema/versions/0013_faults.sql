-- What a campaign of faults, an attack and a field test found.

-- Uploads.


-- Rights.


-- The desk and loads.


-- Imports.


-- Approvals and alerts.

SELECT 1;
