-- requires: incoming_fines
-- Updates the planner's statistics before the checks.
ANALYZE incoming_fines;
