"""The client's side of what nodes ask each other, over persistent channels."""
