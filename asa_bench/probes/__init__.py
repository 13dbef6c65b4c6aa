"""What needs the model besides attacks: clean predictions, calibration, similarity of texts."""
