-- Judges every fine with a balance: the first reason why this export leaves it behind, or NULL where it goes.
-- The order is that of the rules: state, age, type, owner, user group, minimum, identifier.
INSERT INTO judged (fine_id, user_id, currency, balance, identifier, reason)
WITH by_itself AS (
    SELECT fines.id AS fine_id, fines.user_id, fines.currency, fines.balance,
           CASE
               WHEN fines.status = 'DISPUTED' THEN 'disputed'
               WHEN claims.fine_id IS NOT NULL THEN 'in_unfinished_batch'
               WHEN fines.created_at > CAST(:created_until AS timestamptz) THEN 'too_young'
               WHEN cardinality(CAST(:fine_fee_types AS text[])) > 0
                    AND fines.fine_fee_type <> ALL (CAST(:fine_fee_types AS text[])) THEN 'other_type'
               WHEN NOT CASE WHEN fines.owner_library IS NULL THEN CAST(:institutional_fine_fee AS boolean)
                             ELSE fines.owner_library = ANY (CAST(:libraries AS text[])) END THEN 'other_owner'
               WHEN cardinality(CAST(:user_groups AS text[])) > 0
                    AND users.user_group <> ALL (CAST(:user_groups AS text[])) THEN 'other_user_group'
               WHEN CAST(:minimum AS numeric) > 0 AND fines.balance < 0 THEN 'credit_with_minimum'
           END AS reason
    FROM fines
    JOIN users ON users.id = fines.user_id
    LEFT JOIN claims ON claims.fine_id = fines.id
    WHERE fines.balance <> 0
), by_user AS (
    SELECT *, CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN CAST(:minimum AS numeric) > 0
             AND sum(balance) FILTER (WHERE reason IS NULL) OVER (PARTITION BY user_id, currency)
                 < CAST(:minimum AS numeric) THEN 'below_minimum'
        END AS verdict
    FROM by_itself
)
SELECT fine_id, by_user.user_id, currency, balance, identifiers.value, CASE
    WHEN verdict IS NOT NULL THEN verdict
    WHEN coalesce(btrim(identifiers.value), '') = '' THEN 'no_identifier'
    WHEN identifiers.value ~ '[\u0001-\u001F\u007F\uFFFE\uFFFF]'
         OR identifiers.value !~ ('^(?:' || CAST(:identifier_pattern AS text) || ')$') THEN 'malformed_identifier'
    END
FROM by_user
LEFT JOIN identifiers ON identifiers.user_id = by_user.user_id AND identifiers.type = :user_identifier_type;
