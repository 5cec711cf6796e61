-- requires: users_to_delete
-- Updates the planner's statistics, so that it looks up few users one by one.
ANALYZE users_to_delete;
