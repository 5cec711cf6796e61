-- Returns the approval request of a batch, with its answer if there is one.
SELECT reasons, answer, answered_by, times_asked FROM approvals WHERE batch_id = :batch_id;
