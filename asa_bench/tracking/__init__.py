"""Two runs against each other: compare and gate. From records alone: loads neither torch nor textattack."""
