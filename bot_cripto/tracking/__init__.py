"""MLflow: the record of every training and of every configuration that was tried."""
