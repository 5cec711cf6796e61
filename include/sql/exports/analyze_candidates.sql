-- requires: candidates
-- Tells the planner how much was judged, so that few fines are looked up one by one and many are gone through.
ANALYZE candidates;
