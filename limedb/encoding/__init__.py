"""How records and numbers are written as bytes: what is stored is what is sent."""
