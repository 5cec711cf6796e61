-- Records the decision of a person about a held overpayment, and the credit that was made of it.
UPDATE import_records
SET held_decision = :decision, decided_by = :by, decided_at = clock_timestamp(), released_credit_id = :credit
WHERE file_id = :file_id AND number = :record;
