"""What this computer has and how it is used: cores, device, memory, child processes, compiled code."""
