"""The linear probe: fits, cross-fits and refits, and the group accuracies, gains and forecasts computed from them."""
