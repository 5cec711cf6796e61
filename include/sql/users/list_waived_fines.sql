-- requires: candidate_fines
-- Returns the ids of the candidates that are waived.
SELECT array_agg(fine_id) FROM candidate_fines WHERE reason IS NULL;
