"""What is made for people to read: tables of runs and predictions, what would be trained."""
