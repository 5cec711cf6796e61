-- requires: expected_amounts
-- Counts the values of the expected amounts for the planner.
ANALYZE expected_amounts;
