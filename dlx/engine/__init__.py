"""The native engine: which runs it trains, the program of a run, and its steps through threads."""
