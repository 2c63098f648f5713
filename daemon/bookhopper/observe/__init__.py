"""What the daemon shows of itself: events, logs, metrics, service manager."""
