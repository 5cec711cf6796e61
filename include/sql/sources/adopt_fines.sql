-- requires: fines_to_adopt
-- Makes the fines that were found fines of this source, so that they are not billed again. The table of fines is locked.
UPDATE fines SET source = :source FROM fines_to_adopt WHERE fines.id = fines_to_adopt.fine_id;
