"""What people see of an artifact before they open it."""
