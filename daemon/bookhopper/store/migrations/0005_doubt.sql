-- Why it is not known whether ingest's consumer had the book of an abandoned line, which is delivered anew.
ALTER TABLE jobs ADD COLUMN doubt TEXT NOT NULL DEFAULT '';
