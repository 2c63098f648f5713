-- The sha256 of a book's bytes as they came, where others were delivered: a title was written into them, say.
ALTER TABLE ledger ADD COLUMN fetched TEXT NOT NULL DEFAULT '';

CREATE INDEX ledger_fetched ON ledger (fetched) WHERE fetched <> '';
