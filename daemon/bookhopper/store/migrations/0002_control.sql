-- What was asked of a running job: its worker sees to it, or the next start does.
ALTER TABLE jobs ADD COLUMN asked TEXT NOT NULL DEFAULT '';

-- The seconds for which a job was downloading before it was put back, its part file kept.
ALTER TABLE jobs ADD COLUMN spent REAL NOT NULL DEFAULT 0;

-- Whether a waiting job may be claimed now.
ALTER TABLE jobs ADD COLUMN ready INTEGER GENERATED ALWAYS AS (paused = 0 AND not_before IS NULL) VIRTUAL;

-- The heap: the jobs that wait, those that may be claimed apart from those that may not, most urgent first.
DROP INDEX jobs_heap;
CREATE INDEX jobs_heap ON jobs (state, ready, priority, position, id) WHERE state IN ('wanted', 'queued');

-- What people paused, to be counted and listed alone.
CREATE INDEX jobs_paused ON jobs (state, priority, position, id) WHERE paused = 1;

-- How long the job was downloading before it was placed; unknown of older lines.
ALTER TABLE ledger ADD COLUMN seconds REAL;

-- The last day's figures without a look at the lines themselves.
CREATE INDEX ledger_done ON ledger (done_at, size, seconds) WHERE done_at IS NOT NULL;

-- The figures of all time, in one row which each completed line adds to.
CREATE TABLE totals (
    books   INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    seconds REAL NOT NULL,
    -- the bytes of those lines whose seconds are known
    timed_bytes INTEGER NOT NULL
);
INSERT INTO totals SELECT count(*), coalesce(sum(size), 0), 0, 0 FROM ledger WHERE done_at IS NOT NULL;
