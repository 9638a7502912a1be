"""Says what the commands need of an installation, wherever it is."""
