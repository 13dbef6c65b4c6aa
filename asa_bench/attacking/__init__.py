"""Attacks on a trained model: recipes (TOML), the victim, the goal function, the driver and its watched process."""
