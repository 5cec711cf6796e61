-- Which of these recipients have been told something.
SELECT recipient FROM tellings WHERE what = :what AND recipient = ANY(:recipients);
