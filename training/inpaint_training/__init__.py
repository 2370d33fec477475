"""Train completion networks: data sets, networks, recipes, the training loop, evaluation."""
