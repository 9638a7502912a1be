"""`taskyard prove`: real work under real kills, and an independent count of what came of it."""
