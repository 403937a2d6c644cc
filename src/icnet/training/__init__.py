"""Lightning: the module, the data module, callbacks and schedules."""
