"""Photos, data sets, crops and masks."""
