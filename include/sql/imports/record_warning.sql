-- Adds a warning about the arrival of a file, for the report of the run, once.
UPDATE file_arrivals SET warning = concat_ws(' ', warning, :warning)
WHERE profile = :profile AND run_id = :run_id AND name = :name AND strpos(coalesce(warning, ''), :warning) = 0;
