"""Generated from `proto/sluice/v1` by `make proto`; only this line is written by hand."""
