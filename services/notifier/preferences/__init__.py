"""How each person wants to be told, and what follows from it for each piece of news."""
