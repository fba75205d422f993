"""Net ecosystem exchange from towers, inversions and stations: data, a synthetic world, scores."""
