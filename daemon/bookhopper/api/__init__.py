"""The HTTP server that people, scripts and monitors talk to."""
