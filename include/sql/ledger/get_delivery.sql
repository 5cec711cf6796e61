-- Returns a delivery.
SELECT * FROM deliveries WHERE id = :id;
