"""Programs of somebody's own that are run on a book, and what they are told."""
