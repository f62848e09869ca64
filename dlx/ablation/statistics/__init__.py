"""Intervals, paired tests and a verdict for every variant of an ablation, by NumPy and scipy alone.

A missing value (its run diverged or failed) is NaN. Where there is no interval or no p, as with a
single value, it is NaN too, never a number that looks certain.
"""
