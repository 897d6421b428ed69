"""Drills: the platform's real processes are killed, starved and cut off while chargers work, and the books compared."""
