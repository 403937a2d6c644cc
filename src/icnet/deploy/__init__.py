"""From a trained network to one that runs elsewhere: measurements of size and speed."""
