"""Output for people: tables of runs and predictions, pictures, pages and previews."""
