-- Lists the arrivals of files that had been applied before: those of a run of a profile, or (:arrival_id) one.
SELECT * FROM repeated_arrivals
WHERE id = :arrival_id OR (profile = :profile AND run_id = :run_id)
ORDER BY id;
