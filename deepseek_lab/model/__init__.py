"""Models assembled from the course's modules."""
