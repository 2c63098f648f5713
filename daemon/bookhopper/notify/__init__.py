"""Word to people outside: what happened, bundled, through apprise."""
