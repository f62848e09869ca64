"""The pictures of a single run, over time and at its end."""
