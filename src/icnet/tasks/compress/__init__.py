"""task=compress: rounds of cutting and fine-tuning."""
