-- The lines of a batch as the file shows them, in its order.
SELECT user_id, identifier, patron_name, fine_fee_type, comment, owner_library_id, owner_library_code,
       last_transaction_at, item_id, item_title, item_call_number, item_library, item_location, item_internal_location,
       item_due_date, item_barcode, currency, amount, vat, transaction_id, fine_id
FROM lines WHERE batch_id = :batch_id ORDER BY number;
