-- A page of the decisions of a maintenance job for one reason, or (an empty text) of those that it purged or waived, by user and fine.
SELECT results.user_id, coalesce(results.fine_id, 0) AS fine_key, results.fine_id, fines.fine_fee_type, fines.currency, fines.amount,
       concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name
FROM maintenance_job_results AS results
JOIN users ON users.id = results.user_id
LEFT JOIN fines ON fines.id = results.fine_id
WHERE results.job_id = :job_id AND coalesce(results.reason, '') = :reason
  AND (results.user_id, coalesce(results.fine_id, 0)) > (:after_user, :after_fine)
ORDER BY results.user_id, coalesce(results.fine_id, 0)
LIMIT :limit;
