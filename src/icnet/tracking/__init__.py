"""What follows a run elsewhere: W&B, its dashboard, TensorBoard."""
