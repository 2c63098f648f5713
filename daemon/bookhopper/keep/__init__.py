"""What the daemon clears away and looks after by itself, and by which clock."""
