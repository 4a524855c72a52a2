"""The assets of each stage, each declared once. `pipeline/assets.py` puts them in order; CONTRIBUTING.md says how to add one."""
