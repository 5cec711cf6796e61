-- Lists the statements of a run of a profile, in their order.
SELECT * FROM statements WHERE profile = :profile AND run_id = :run_id ORDER BY id;
