"""Which key a call uses. `pool` holds the keys of one provider, `board` their cool-downs."""
