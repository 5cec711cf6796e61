-- requires: fine_changes, row_messages, staged_fines
-- Warns about what the source says and a load can't apply: a person has to decide.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', fault ->> 0, 'fines', changes.line, given.fine_id, changes.fine_id, fault ->> 1, fault ->> 2, fault ->> 3,
       fault ->> 4
FROM fine_changes AS changes
JOIN staged_fines AS given USING (line)
CROSS JOIN LATERAL unnest(array_remove(ARRAY[
    CASE WHEN place = 'bursar' AND new_status <> 'cancelled' AND new_amount <> said_amount
         THEN pg_temp.fault('other_amount', 'amount', given.amount,
                            format('amount %s: the bursar received another amount of this fine', given.amount),
                            'charge or credit the difference as a fine of its own') END,
    CASE WHEN place = 'bursar' AND new_balance > said_balance AND new_amount = said_amount
         THEN pg_temp.fault('came_back', 'balance', given.balance,
                            format('balance %s: more is open than before, but the fine is with the bursar', given.balance),
                            'if the user owes this, charge it as a fine of its own') END,
    CASE WHEN place = 'bursar' AND NOT is_credit AND new_status = 'cancelled' AND said_status <> 'cancelled'
              AND paid_at_bursar > 0
         THEN pg_temp.fault('cancelled_late', 'status', given.status,
                            'cancelled, but the bursar has been paid for it, or does not report payments',
                            'reverse the fine at the desk, so that the user gets the money back') END,
    CASE WHEN place = 'bursar' AND is_credit AND new_status = 'cancelled' AND said_status <> 'cancelled'
         THEN pg_temp.fault('cancelled_late', 'status', given.status, 'cancelled, but the bursar has received this credit',
                            'charge it as a fine of its own') END,
    CASE WHEN place = 'bursar' AND NOT is_credit AND new_status <> 'cancelled' AND settled_there < unexplained
         THEN pg_temp.fault('settled_twice', 'balance', given.balance,
                            format('balance %s: more was settled at the library than is outstanding at the bursar', given.balance),
                            'compare both payments; reverse the fine at the desk if the user paid twice') END,
    CASE WHEN place = 'bursar' AND NOT is_credit AND :closes_exported_fines AND was_deferred
              AND new_status <> 'cancelled' AND new_balance = 0 AND said_balance > 0 AND outstanding > open_credits
         THEN pg_temp.fault('paid_or_closed', 'balance', given.balance,
                            format('balance %s since an export that was not finished yet: the source may have closed the fine, or the user paid it',
                                   given.balance),
                            'if the user paid at the library, settle the fine at the desk, so that the bursar is notified') END,
    CASE WHEN place = 'library' AND goes_in_full IS NOT NULL AND NOT is_new AND new_status <> 'cancelled'
              AND said_status <> 'cancelled' AND new_amount <> said_amount AND changes.amount + adjusted <> new_amount
         THEN pg_temp.fault('other_amount', 'amount', given.amount,
                            format('amount %s: the bursar receives another amount of this credit', given.amount),
                            'charge or credit the difference as a fine of its own') END,
    CASE WHEN place = 'library' AND goes_in_full IS NOT NULL AND NOT is_new AND new_status <> 'cancelled' AND said_status = 'cancelled'
         THEN pg_temp.fault('not_reopened', 'status', given.status,
                            'this credit was cancelled, and is open again, but its charge is with the bursar',
                            'if the user is to get it, cancel it in the library system and give a new one') END,
    CASE WHEN place = 'bursar' AND new_status IN ('disputed', 'suspended') AND new_status <> said_status
         THEN pg_temp.fault('disputed_late', 'status', given.status,
                            format('status %s, but the fine is with the bursar', given.status), 'tell the bursar') END,
    CASE WHEN place = 'library' AND goes_in_full IS NULL AND new_status <> 'cancelled' AND changes.amount + adjusted > new_amount
         THEN pg_temp.fault('settled_beyond_amount', 'amount', given.amount,
                            format('amount %s is less than what has been settled of this fine', given.amount),
                            'pay the difference out if the user paid it') END,
    CASE WHEN place = 'library' AND NOT is_credit AND open_credits_after > 0
              AND CASE WHEN new_status = 'cancelled' THEN said_status <> 'cancelled'
                       ELSE new_amount < said_amount AND credits_after > new_amount END
         THEN pg_temp.fault('credits_beyond_amount', 'amount', given.amount,
                            format('amount %s, but credits of %s for this fine are open', given.amount,
                                   to_char(open_credits_after, 'FM99999999990.009')),
                            'if the user is not to get the rest back, lower or cancel the credits, too') END,
    CASE WHEN place = 'library' AND NOT is_credit AND settled > 0 AND changes.settled_as = 'WAIVED' AND open_credits_after > new_balance
         THEN pg_temp.fault('credits_beyond_amount', 'balance', given.balance,
                            format('balance %s: a part was waived, but credits of %s for this fine are open', given.balance,
                                   to_char(open_credits_after, 'FM99999999990.009')),
                            'if the user is not to get the rest back, lower or cancel the credits, too') END,
    CASE WHEN place = 'library' AND said_balance + new_amount - said_amount > new_balance AND changes.balance < said_balance AND NOT is_new AND NOT is_credit
              AND new_status <> 'cancelled'
         THEN pg_temp.fault('also_settled_here', 'balance', given.balance,
                            format('balance %s: a part was settled in the ledger before; the lower balance counts', given.balance),
                            'check that it was the same payment') END,
    CASE WHEN place = 'library' AND goes_in_full IS NULL AND new_balance - said_balance - new_amount + said_amount > reopened
              AND new_balance + written_credits > changes.balance + adjusted + reopened
         THEN pg_temp.fault('not_reopened', 'balance', given.balance,
                            format('balance %s: more is open than before, but no load had settled it', given.balance),
                            'if the user owes this, charge it as a fine of its own') END
], NULL)) AS fault
WHERE place <> 'batch';
