-- Which of these recipients have been told something.
SELECT recipient FROM sent_notifications WHERE dedup_key = :dedup_key AND recipient = ANY(:recipients);
