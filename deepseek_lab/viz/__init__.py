"""Figures: a function that returns numbers, a `plot_*` that draws them, an `explore_*` to play with them."""
