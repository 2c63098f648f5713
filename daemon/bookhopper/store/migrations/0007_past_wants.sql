-- What was wished for and had its book, of jobs that are no longer kept: wished for again, it is a duplicate.
CREATE TABLE past_wants (
    identity BLOB PRIMARY KEY,
    job      INTEGER NOT NULL
) WITHOUT ROWID;

-- The lists whose report is kept.
CREATE INDEX requests_reported ON requests (report) WHERE report <> '';
