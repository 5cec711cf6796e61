-- Returns how many entries the report of a run names as not taken, by reason, with at most so many names of each.
SELECT reason, is_odd, count(*) AS entries, (array_agg(name ORDER BY name))[1 : CAST(:limit AS integer)] AS names
FROM skipped_entries WHERE profile = :profile AND run_id = :run_id
GROUP BY reason, is_odd ORDER BY is_odd DESC, reason;
