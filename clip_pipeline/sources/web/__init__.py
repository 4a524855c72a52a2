"""HTTP for servers that nobody here owns: addresses checked, answers bounded, hosts treated politely."""
