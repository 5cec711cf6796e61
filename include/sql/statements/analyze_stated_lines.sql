-- requires: stated_lines
-- Counts the values of the lines for the planner.
ANALYZE stated_lines;
