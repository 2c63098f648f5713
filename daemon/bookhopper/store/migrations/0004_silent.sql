-- Which sources did not answer when a want was put aside, each between blanks.
ALTER TABLE jobs ADD COLUMN silent TEXT NOT NULL DEFAULT '';

CREATE INDEX jobs_silent ON jobs (changed, silent) WHERE silent <> '';
