-- requires: incoming_fines, staged_fines
-- Adds the items of a file of fines and updates known ones. The last line about an item counts; a blank changes
-- nothing.
INSERT INTO items (barcode, title, call_number, library, location, internal_location)
SELECT DISTINCT ON (item_barcode)
       item_barcode, coalesce(item_title, ''), item_call_number, item_library, item_location, item_internal_location
FROM staged_fines WHERE item_barcode IS NOT NULL AND line IN (SELECT line FROM incoming_fines)
ORDER BY item_barcode, line DESC
ON CONFLICT (barcode) DO UPDATE SET
    title = coalesce(nullif(excluded.title, ''), items.title),
    call_number = coalesce(excluded.call_number, items.call_number),
    library = coalesce(excluded.library, items.library),
    location = coalesce(excluded.location, items.location),
    internal_location = coalesce(excluded.internal_location, items.internal_location)
WHERE (items.title, items.call_number, items.library, items.location, items.internal_location) IS DISTINCT FROM (
    coalesce(nullif(excluded.title, ''), items.title), coalesce(excluded.call_number, items.call_number),
    coalesce(excluded.library, items.library), coalesce(excluded.location, items.location),
    coalesce(excluded.internal_location, items.internal_location));
