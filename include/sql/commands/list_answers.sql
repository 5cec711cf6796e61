-- The answers to the request for the approval of a batch, oldest first; an answer with a reason has no effect.
SELECT answered_at, answer, answered_by, NULL AS rejection FROM approvals WHERE batch_id = :batch_id AND answer IS NOT NULL
UNION ALL
SELECT rejected.answered_at, rejected.answer, rejected.answered_by, rejected.reason
FROM rejected_answers AS rejected JOIN approvals ON approvals.id = rejected.approval_id
WHERE approvals.batch_id = :batch_id
ORDER BY answered_at;
