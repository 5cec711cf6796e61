-- Records a request to people, under the rule of now, for an approval that has no answer yet; its time limit begins now.
UPDATE approvals SET times_asked = times_asked + 1, requested_at = clock_timestamp(), requester_may_approve = :requester_may_approve
WHERE id = :approval_id AND answer IS NULL;
