"""The XML format of Alma: its namespace, its schema, writing, checking and reading it."""
