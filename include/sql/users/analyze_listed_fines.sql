-- requires: listed_fines
-- Tells the planner how many fines are listed: of few it looks up each.
ANALYZE listed_fines;
