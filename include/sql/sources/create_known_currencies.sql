-- Creates the table of the currencies and their decimals; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE known_currencies ON COMMIT DROP AS
SELECT key AS code, CAST(value AS integer) AS decimals FROM jsonb_each_text(CAST(:currency_decimals AS jsonb));
