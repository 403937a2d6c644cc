"""What a run does: one module a task; the only place that builds objects from the configuration."""
