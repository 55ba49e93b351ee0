"""What this service knows of people and assignments: names, addresses, titles. Copies of facts, nothing of its own."""
