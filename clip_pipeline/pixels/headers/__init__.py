"""What image files say of themselves before a pixel is decoded, and what decoding them will take."""
