"""The database and the journal."""
