-- Records the answer to an approval request; the first answer counts.
UPDATE approvals SET answer = :answer, answered_by = :answered_by, answered_at = clock_timestamp()
WHERE id = :approval_id AND answer IS NULL;
