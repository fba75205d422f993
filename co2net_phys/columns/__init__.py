"""A world of tracer columns: black carbon from fires, carried, mixed, rained out; its emulator."""
