"""`clip-pipeline run` of the whole graph with troubles at random moments: kills, hosts that go and come back, a full disk; see graph.py."""
