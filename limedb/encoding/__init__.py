"""How records and numbers are written as bytes: the stored form is also the sent form."""
