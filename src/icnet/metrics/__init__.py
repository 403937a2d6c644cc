"""How good label maps are: torchmetrics Metrics that count whole pixels, exact on any number of processes."""
