"""The report of an ablation: pictures, a page and tables, all made from its summary."""
