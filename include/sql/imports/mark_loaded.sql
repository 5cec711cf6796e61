-- Records that a file has been loaded, by which run, and the counts and totals of its records.
UPDATE import_files
SET profile = :profile, run_id = :run_id, name = :name, modified = :modified, amount_mode = :amount_mode, records = :records,
    totals = CAST(:totals AS jsonb), layout = :layout, user_matching = :user_matching, has_payment_keys = :has_payment_keys,
    read_at = clock_timestamp(), rejection = NULL, rejected_at = NULL
WHERE id = :file_id;
