-- A book once and its bytes once, apart from what was forced; and each found without a look at every line, which
-- an index over the lines that were not forced would not do for a question about all of them.
DROP INDEX ledger_book;
DROP INDEX ledger_bytes;
CREATE UNIQUE INDEX ledger_book ON ledger (source, key, format, iif(forced, job, 0));
CREATE UNIQUE INDEX ledger_bytes ON ledger (sha256, iif(forced, job, 0));
