"""Layouts: the formats of the files that are exchanged with a bursar."""
