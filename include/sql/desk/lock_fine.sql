-- One fine, which nobody else can change until this transaction ends.
SELECT id, user_id, item_id, owner_library, currency, amount, status, balance, outstanding
FROM fines WHERE id = :fine_id FOR UPDATE;
