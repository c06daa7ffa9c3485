"""What the models are for: writing code and answering questions."""
