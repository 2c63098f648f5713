"""HTTP towards the outside: sessions, and the manners of a good guest."""
