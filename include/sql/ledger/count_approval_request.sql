-- Increments the number of requests to people for an approval that has no answer yet, under the rule that holds now.
UPDATE approvals SET times_asked = times_asked + 1, requester_may_approve = :requester_may_approve
WHERE id = :approval_id AND answer IS NULL;
