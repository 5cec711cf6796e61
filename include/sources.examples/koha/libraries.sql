SELECT branchcode AS code, branchcode AS id, branchname AS name FROM branches ORDER BY branchcode
