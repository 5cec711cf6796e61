-- The loads of a source in a run, in their order.
SELECT * FROM loads WHERE source = :profile AND run_id = :run_id ORDER BY id;
