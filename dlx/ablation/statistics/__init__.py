"""What an ablation's numbers say: intervals, paired tests, and a verdict for every variant.

NumPy and scipy alone. A value that is missing (its run diverged or failed) is NaN. Where no
interval or p can be had, as of a single value, it is NaN too: never a number that looks sure.
"""
