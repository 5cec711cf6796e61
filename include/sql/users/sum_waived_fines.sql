-- requires: candidate_fines
-- The fines that are waived, among the judged ones.
SELECT array_agg(fine_id) FROM candidate_fines WHERE reason IS NULL;
