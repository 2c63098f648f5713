-- What a collection made jobs for: these are cancelled, paused and given a priority with it.
CREATE INDEX jobs_parent ON jobs (parent) WHERE parent IS NOT NULL;

-- The books of a collection in its order: those that it made a job for, and those that had one before it.
CREATE TABLE books (
    collection INTEGER NOT NULL REFERENCES jobs (id),
    ordinal    INTEGER NOT NULL,
    job        INTEGER NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (collection, ordinal)
) WITHOUT ROWID;

CREATE UNIQUE INDEX books_job ON books (job, collection);

-- The jobs that a request's report shows: those of its lines, and the books of the collections among them.
DROP VIEW request_jobs;
CREATE VIEW request_jobs (request, job) AS
    SELECT request, id FROM jobs
    UNION ALL SELECT request, job FROM lines WHERE job IS NOT NULL
    UNION ALL SELECT jobs.request, books.job FROM books JOIN jobs ON jobs.id = books.collection
    UNION ALL SELECT lines.request, books.job FROM books JOIN lines ON lines.job = books.collection;
