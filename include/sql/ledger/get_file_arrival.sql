-- Returns the arrival of a file under a name in a run of a profile.
SELECT * FROM file_arrivals WHERE profile = :profile AND run_id = :run_id AND name = :name;
