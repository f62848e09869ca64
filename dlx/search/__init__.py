"""The search for good values: which are tried, how they did, and whether they are better."""
