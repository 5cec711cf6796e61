-- What a person said, or not yet, about a batch that had to wait.
SELECT reasons, answer, answered_by, times_asked FROM approvals WHERE batch_id = :batch_id;
