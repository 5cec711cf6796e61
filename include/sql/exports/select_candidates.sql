-- requires: candidates
-- Evaluates every fine with a balance, and every reversal that this profile's bursar has to receive. The reason is the
-- first rule that excludes the fine, NULL if it is selected. Order of the rules: state, age, type, owner, user group,
-- currency, minimum, identifier. Only the fines of the users :first_user to :last_user are asked for; no rule compares users. A
-- reversal of a charge that the bursar holds is selected whatever the rules for charges say, in a currency of the profile.
-- :charge_profiles are the profile itself and those whose credits and reversals it sends. With :credits_go_elsewhere another
-- profile sends those of this one.
INSERT INTO candidates (fine_id, user_id, currency, amount, reversal, is_reversal, identifier, reason)
WITH held_charges AS MATERIALIZED (    -- by the credit that reverses it: the bursar who holds the charge
    SELECT credits.id AS credit_id, exported_fines.profile
    FROM fines AS credits
    JOIN fines AS charges ON charges.id = credits.reverses AND charges.outstanding > 0
    JOIN exported_fines ON exported_fines.fine_id = charges.id
    WHERE credits.balance < 0 AND credits.user_id BETWEEN :first_user AND :last_user
), by_itself AS (
    SELECT fines.id AS fine_id, fines.user_id, fines.currency, fines.balance AS amount, false AS reversal,
           held_charges.credit_id IS NOT NULL AND held_charges.profile = ANY (CAST(:charge_profiles AS text[])) AS is_reversal,
           CASE
               WHEN fines.status = 'DISPUTED' THEN 'disputed'
               WHEN fines.source_status = 'accruing' THEN 'still_accruing'
               WHEN batch_claims.fine_id IS NOT NULL OR claims_of_charge.fine_id IS NOT NULL THEN 'in_unfinished_batch'
               WHEN held_charges.profile <> ALL (CAST(:charge_profiles AS text[])) THEN 'other_bursar'
               WHEN held_charges.credit_id IS NOT NULL THEN NULL
               WHEN cardinality(CAST(:charge_profiles AS text[])) > 1 AND fines.balance < 0
                    AND (SELECT balance FROM fines AS charges WHERE charges.id = fines.reverses) <> 0 THEN 'charge_not_exported'
               WHEN fines.created_at > CAST(:created_before AS timestamptz) THEN 'too_young'
               WHEN cardinality(CAST(:fine_fee_types AS text[])) > 0
                    AND fines.fine_fee_type <> ALL (CAST(:fine_fee_types AS text[])) THEN 'other_type'
               WHEN NOT CASE WHEN fines.owner_library IS NULL THEN CAST(:institutional_fine_fee AS boolean)
                             ELSE fines.owner_library = ANY (CAST(:libraries AS text[])) END THEN 'other_owner'
               WHEN cardinality(CAST(:user_groups AS text[])) > 0
                    AND users.user_group <> ALL (CAST(:user_groups AS text[])) THEN 'other_user_group'
           END AS reason
    FROM fines
    JOIN users ON users.id = fines.user_id
    LEFT JOIN batch_claims ON batch_claims.fine_id = fines.id AND NOT batch_claims.reversal
    LEFT JOIN batch_claims AS claims_of_charge ON claims_of_charge.fine_id = fines.reverses AND NOT claims_of_charge.reversal
    LEFT JOIN held_charges ON held_charges.credit_id = fines.id
    WHERE fines.balance <> 0 AND fines.user_id BETWEEN :first_user AND :last_user
    UNION ALL
    SELECT fines.id, fines.user_id, fines.currency, -fines.pending_reversal, true, true,
           CASE WHEN batch_claims.fine_id IS NOT NULL THEN 'in_unfinished_batch' END
    FROM fines
    JOIN exported_fines ON exported_fines.fine_id = fines.id AND exported_fines.profile = ANY (CAST(:charge_profiles AS text[]))
    LEFT JOIN batch_claims ON batch_claims.fine_id = fines.id AND batch_claims.reversal
    WHERE fines.pending_reversal <> 0 AND fines.user_id BETWEEN :first_user AND :last_user
), by_user AS (
    SELECT *, CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN cardinality(CAST(:currencies AS text[])) > 0 AND currency <> ALL (CAST(:currencies AS text[])) THEN 'other_currency'
        WHEN CAST(:credits_go_elsewhere AS boolean) AND amount < 0 THEN 'other_profile'
        WHEN CAST(:minimum AS numeric) > 0 AND NOT is_reversal AND amount < 0 THEN 'credit_with_minimum'
        WHEN CAST(:minimum AS numeric) > 0 AND NOT is_reversal
             AND sum(amount) FILTER (WHERE reason IS NULL AND NOT is_reversal AND amount > 0) OVER (PARTITION BY user_id, currency)
                 < CAST(:minimum AS numeric) THEN 'below_minimum'
        END AS skip_reason
    FROM by_itself
)
SELECT fine_id, by_user.user_id, currency, amount, reversal, is_reversal, identifiers.value, CASE
    WHEN skip_reason IS NOT NULL THEN skip_reason
    WHEN coalesce(btrim(identifiers.value), '') = '' THEN 'no_identifier'
    WHEN identifiers.value ~ '[\u0001-\u001F\u007F\uFFFE\uFFFF]'
         OR identifiers.value !~ ('^(?:' || CAST(:identifier_pattern AS text) || ')$') THEN 'malformed_identifier'
    END
FROM by_user
LEFT JOIN identifiers ON identifiers.user_id = by_user.user_id AND identifiers.type = :user_identifier_type;
