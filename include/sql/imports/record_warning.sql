-- Records a warning about the arrival of a file, for the report of the run.
UPDATE file_arrivals SET warning = :warning WHERE profile = :profile AND run_id = :run_id AND name = :name;
