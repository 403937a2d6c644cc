"""report.html: what a run is worth, on one page that needs no network."""
