-- requires: candidates
-- Updates the planner's statistics, so that it looks up few candidates one by one and scans for many.
ANALYZE candidates;
