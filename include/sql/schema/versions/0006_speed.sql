-- What makes a million fines go quickly.

-- Text as XML holds it. A control character, which XML 1.0 forbids, becomes a space: no words run together. Most text needs
-- nothing, and is asked only once.
CREATE FUNCTION xml_text(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value COLLATE "C" ~ '[&<>\u0001-\u0008\u000B-\u001F\u007F\uFFFE\uFFFF]' THEN
        replace(replace(replace(replace(
            regexp_replace(value COLLATE "C", '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F\uFFFE\uFFFF]', ' ', 'g'),
            '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), E'\r', '&#13;')
    ELSE value END
$$;
