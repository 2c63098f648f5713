"""From dropped files to stored wants, and the reports that answer them."""
