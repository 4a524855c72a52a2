"""Search of the photos by words and by likeness: exact, with an honest word for how well each fits."""
