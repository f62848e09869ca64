"""The rules of a diagnosis: each gives what stands out in the evidence of a run."""
