-- requires: matches
-- Analyzes the matches, so that the planner looks up few records one by one and scans many.
ANALYZE matches;
