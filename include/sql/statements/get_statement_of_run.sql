-- Returns the statement of a name that a run of a profile has compared or rejected.
SELECT * FROM statements WHERE profile = :profile AND run_id = :run_id AND name = :name;
