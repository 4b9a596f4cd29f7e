"""The life of models: what compares, lists, rolls back, prunes and replays them."""
