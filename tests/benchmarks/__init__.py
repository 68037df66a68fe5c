"""Measurements, not tests: ratios in one run against the best SQL written by hand. Machines are noisy, ratios less."""
