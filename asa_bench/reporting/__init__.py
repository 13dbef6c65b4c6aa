"""Tables, figures and reports from the records of a run. Loads neither torch nor textattack."""
