"""Ways to run an image encoder, each in a file of its family, and the choice among them by measurement.

`registry.py` lists them. Every runtime takes the same pixels and gives the vectors of the same photos; how fast, and how
far from plain fp32, is measured (`choice.py`) and decides which one is used.
"""
