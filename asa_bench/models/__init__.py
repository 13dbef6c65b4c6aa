"""Encoders, classifiers made from them, the bias on attention scores, and checkpoints."""
