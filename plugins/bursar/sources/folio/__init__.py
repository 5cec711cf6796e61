"""FOLIO as a source: fines are read over its API, and closed there."""
