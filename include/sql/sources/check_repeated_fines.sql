-- requires: row_messages, staged_fines
-- Rejects a row whose fine is on an earlier line too, and all rows of a fine that differ: it is not known which of them is right.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', 'repeated', 'fines', given.line, given.fine_id, 'fine_id', left(given.fine_id, 60),
       format(CASE WHEN copies.first_row = copies.last_row THEN 'fine_id %s is on line %s already'
                   ELSE 'fine_id %s is on several lines with different values, the first is line %s' END,
              to_json(left(given.fine_id, 60)), copies.first_line),
       'leave one out'
FROM (
    SELECT fine_id, min(line) AS first_line, min(row) AS first_row, max(row) AS last_row
    FROM (SELECT fine_id, line, md5(CAST(to_jsonb(staged_fines) - 'line' AS text)) AS row FROM staged_fines
          WHERE fine_id IN (SELECT fine_id FROM staged_fines GROUP BY fine_id HAVING count(*) > 1)) AS rows
    GROUP BY fine_id
) AS copies
JOIN staged_fines AS given USING (fine_id)
WHERE given.line > copies.first_line OR copies.first_row <> copies.last_row;
