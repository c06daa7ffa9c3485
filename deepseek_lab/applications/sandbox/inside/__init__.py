"""What runs in the confined process: standard library only, started by path, so nothing here imports the package."""
