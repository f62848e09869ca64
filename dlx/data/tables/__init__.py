"""Tables that a user brings: files of columns with names, read, checked and made into numbers."""
