SELECT categorycode AS code, description AS name FROM categories ORDER BY categorycode
