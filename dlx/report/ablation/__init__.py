"""What an ablation found, for people: pictures, a page and a table, all made of its summary."""
