-- Counts the approvals of a request by people who may not approve.
SELECT count(*) FROM rejected_answers WHERE approval_id = :approval_id;
