"""Definitions of catalogues that are web pages: what they may say, and how a page is read by one."""
