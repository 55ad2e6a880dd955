"""All tests. Rooms: unit, contract, e2e, bench, fuzz; what they share is in support."""
