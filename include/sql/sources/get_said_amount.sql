-- The amount of a fine, as its source said it last.
SELECT coalesce(source_amount, amount) FROM fines WHERE id = :fine_id;
