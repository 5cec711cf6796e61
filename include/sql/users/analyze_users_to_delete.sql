-- requires: users_to_delete
-- Tells the planner how many leave: of few it looks up each.
ANALYZE users_to_delete;
