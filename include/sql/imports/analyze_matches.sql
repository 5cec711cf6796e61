-- requires: matches
-- Tells the planner how much was matched, so that few records are looked up one by one and many are gone through.
ANALYZE matches;
