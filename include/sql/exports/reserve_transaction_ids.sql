-- Reserves the next :wanted transaction ids, never below :start, and returns the first of them. A rollback returns
-- them.
UPDATE transaction_ids SET next = greatest(next, :start) + :wanted RETURNING next - :wanted AS first;
