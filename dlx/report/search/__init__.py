"""The page of a search, with its pictures and tables."""
