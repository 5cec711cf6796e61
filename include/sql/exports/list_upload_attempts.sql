-- Lists the upload attempts of a delivery, oldest first.
SELECT * FROM upload_attempts WHERE delivery_id = :delivery_id ORDER BY id;
