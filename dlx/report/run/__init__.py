"""The pictures of a single run, during training and at its end."""
