"""Sequences made shorter: segments of any length, who draws their boundaries, and the rivals that merge or drop."""
