"""Koha as a source: fines are read by a saved SQL report, and events are written as credits over its REST API."""
