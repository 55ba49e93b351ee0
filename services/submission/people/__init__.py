"""What submission knows of people: how they are called, for those who answer them."""
