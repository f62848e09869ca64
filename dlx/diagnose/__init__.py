"""What a network does before it learns, why it would not, and which inputs a trained one uses."""
