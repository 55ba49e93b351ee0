"""What a student asks of the tutor, and how the two come to an agreement."""
