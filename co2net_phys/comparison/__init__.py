"""Many methods on one store: the same stations, blocks of time and seeds, one table."""
