"""Embeddings of photos and texts: unit vectors in `.npy` files, with the id of every row beside them."""
