"""The assets, one module a stage. Each line says what the page should show; how it is built is in `pipeline/`."""
