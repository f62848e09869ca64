"""Neural-network parts on the run axis: each computes K independent runs at once."""
