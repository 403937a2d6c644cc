"""Pictures of what a network sees and of how it learned: colour maps, rows of examples, curves, scores."""
