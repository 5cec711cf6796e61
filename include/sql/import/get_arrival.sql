-- The arrival of a file under a name in a run of a profile.
SELECT * FROM arrivals WHERE profile = :profile AND run = :run AND name = :name;
