-- requires: listed_fines
-- Updates the planner's statistics, so that it looks up few listed fines one by one.
ANALYZE listed_fines;
