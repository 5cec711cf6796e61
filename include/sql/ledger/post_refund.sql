-- Refunds money that was paid at the library. The charge is given up with it, so that nobody is billed for it again.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, comment, posted_by)
VALUES (:fine_id, 'REFUNDED', :amount, :comment, :posted_by),
       (:fine_id, 'WAIVED', -CAST(:amount AS numeric), :comment, :posted_by);
