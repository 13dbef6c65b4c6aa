"""Metrics, intervals and paired tests: pure functions of rows. Loads neither torch nor textattack."""
