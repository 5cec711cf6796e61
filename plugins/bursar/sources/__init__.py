"""Sources: the systems that fines come from."""
