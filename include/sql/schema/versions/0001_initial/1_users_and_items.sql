-- Users and items, as loaded from the library system.

CREATE TABLE user_groups (
    code text PRIMARY KEY,
    name text NOT NULL
);
COMMENT ON TABLE user_groups IS 'A group of users, such as students.';

CREATE TABLE libraries (
    code text PRIMARY KEY,
    id   text NOT NULL UNIQUE,                              -- libraryId in the exchange format
    name text NOT NULL
);
COMMENT ON TABLE libraries IS 'A library of the institution.';

CREATE TABLE users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    last_name   text NOT NULL,
    first_name  text NOT NULL DEFAULT '',
    user_group  text NOT NULL REFERENCES user_groups,
    expiry_date date,
    purge_date  date,
    deleted_at  timestamptz                                 -- then names and identifiers are erased
);
COMMENT ON TABLE users IS 'A user of the library. A deleted user keeps the id, for the fines and the journal.';

CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL;
-- A purge finds the users who are due, and those who have no date.
CREATE INDEX users_purge_date ON users (purge_date) WHERE deleted_at IS NULL;
CREATE INDEX users_expiry_date ON users (expiry_date) WHERE deleted_at IS NULL;

CREATE TABLE identifiers (
    user_id bigint NOT NULL REFERENCES users,
    type    text   NOT NULL,                                -- userName is the primary identifier
    value   text   NOT NULL,
    PRIMARY KEY (user_id, type),
    UNIQUE (type, value)
);
COMMENT ON TABLE identifiers IS 'An identifier of a user, one of each type.';

CREATE TABLE items (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    barcode           text NOT NULL UNIQUE,
    title             text NOT NULL DEFAULT '',
    call_number       text,
    library           text REFERENCES libraries,            -- where the item is today; the owner of a fine is another matter
    location          text,
    internal_location text
);
COMMENT ON TABLE items IS 'An item that was lent.';
