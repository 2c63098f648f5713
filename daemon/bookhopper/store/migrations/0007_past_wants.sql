-- What was wished for by jobs that are no longer kept.  Where one of them brought the book it is named, and what is
-- wished for again is a duplicate; else (0) it is looked for again, but not for a list that is polled.
CREATE TABLE past_wants (
    identity BLOB PRIMARY KEY,
    job      INTEGER NOT NULL
) WITHOUT ROWID;

-- The lists whose report is kept.
CREATE INDEX requests_reported ON requests (report) WHERE report <> '';
