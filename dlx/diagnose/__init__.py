"""What a network does before it learns, and why it would not."""
