"""Every page in process, on real servers: loaded, empty, with servers away, and what its controls do."""
