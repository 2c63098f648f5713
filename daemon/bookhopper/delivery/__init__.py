"""How a finished download comes into ingest: its name and place, the ledger, our own copy, a nudge."""
