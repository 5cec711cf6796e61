-- Returns the recipients, among the given ones, who have received a notification.
SELECT recipient FROM sent_notifications WHERE dedup_key = :dedup_key AND recipient = ANY(:recipients);
