"""What runs measured: metrics.jsonl, and the event files that TensorBoard reads."""
