CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE requests (
    id      INTEGER PRIMARY KEY,
    token   TEXT NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    owner   TEXT NOT NULL,
    report  TEXT NOT NULL,
    wants   INTEGER NOT NULL,
    created REAL NOT NULL
);

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY,
    request    INTEGER NOT NULL REFERENCES requests (id),
    ordinal    INTEGER,
    parent     INTEGER REFERENCES jobs (id),
    owner      TEXT NOT NULL DEFAULT '',
    identity   BLOB NOT NULL,
    want       TEXT NOT NULL,
    state      TEXT NOT NULL,
    paused     INTEGER NOT NULL DEFAULT 0,
    priority   INTEGER NOT NULL,
    position   INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    looks      INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    candidates TEXT NOT NULL DEFAULT '',
    resume     TEXT NOT NULL DEFAULT '',
    error      TEXT NOT NULL DEFAULT '',
    created    REAL NOT NULL,
    changed    REAL NOT NULL
);

-- The heap: what a worker may claim now, most urgent first.
CREATE INDEX jobs_heap ON jobs (state, priority, position, id)
    WHERE state IN ('wanted', 'queued') AND paused = 0 AND not_before IS NULL;

-- What waits for a moment: a pause between attempts, or the next look for what was missing.
CREATE INDEX jobs_due ON jobs (state, not_before) WHERE not_before IS NOT NULL;

CREATE INDEX jobs_identity ON jobs (identity);
CREATE INDEX jobs_request ON jobs (request, ordinal);
CREATE INDEX jobs_state ON jobs (state, changed);

-- Counting a million rows takes longer than a page may, so each commit brings these up to date.
CREATE TABLE state_counts (
    state TEXT PRIMARY KEY,
    jobs  INTEGER NOT NULL
) WITHOUT ROWID;

-- The entries of a request that made no job: known, picked, bad.  One that did stands in its job, as
-- `ordinal` and `want`, so that a long list of new wants is written once and not twice.
CREATE TABLE lines (
    request INTEGER NOT NULL REFERENCES requests (id),
    ordinal INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    "column" INTEGER NOT NULL,
    raw     TEXT NOT NULL,
    note    TEXT NOT NULL,
    job     INTEGER REFERENCES jobs (id),
    reason  TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (request, ordinal)
) WITHOUT ROWID;

CREATE INDEX lines_job ON lines (job, request) WHERE job IS NOT NULL;

CREATE VIEW request_jobs (request, job) AS
    SELECT request, id FROM jobs UNION ALL SELECT request, job FROM lines WHERE job IS NOT NULL;

-- What went into ingest, for ever: a book once, a name once.
CREATE TABLE ledger (
    job       INTEGER PRIMARY KEY REFERENCES jobs (id),
    source    TEXT NOT NULL,
    key       TEXT NOT NULL,
    format    TEXT NOT NULL,
    name      TEXT NOT NULL UNIQUE,
    staged    TEXT NOT NULL,
    folder    TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    size      INTEGER NOT NULL,
    forced    INTEGER NOT NULL DEFAULT 0,
    placed_at REAL NOT NULL,
    done_at   REAL
);

CREATE UNIQUE INDEX ledger_book ON ledger (source, key, format) WHERE forced = 0;
CREATE UNIQUE INDEX ledger_bytes ON ledger (sha256) WHERE forced = 0;
CREATE INDEX ledger_open ON ledger (placed_at) WHERE done_at IS NULL;
