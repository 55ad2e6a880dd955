"""What comes from outside, damaged and made up: targets, seeds, and what runs them."""
