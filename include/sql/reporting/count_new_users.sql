-- Counts, by reason, the users that no report before that of the batch has warned about.
SELECT reason, count(*) AS users FROM reported_users WHERE batch_id = :batch_id GROUP BY reason;
