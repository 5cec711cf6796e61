-- Tells the planner how many leave: of few it looks up each.
ANALYZE leaving;
