"""Outside parties, each against a stand-in that keeps state."""
