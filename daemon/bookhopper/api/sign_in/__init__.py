"""Who may ask: API tokens, users of Calibre-Web, sessions of the page, and the lock on guessing."""
