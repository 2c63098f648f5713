"""bookhopper under systemd: its unit with the paths of an installation, and the files beside it."""
