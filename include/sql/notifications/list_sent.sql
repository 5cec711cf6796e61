-- Returns those of some recipients who have received a notification.
SELECT recipient FROM sent_notifications WHERE dedup_key = :dedup_key AND recipient = ANY(:recipients);
