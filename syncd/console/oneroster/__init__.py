"""OneRoster 1.1 and 1.2, read-only, for products: their tokens, what they ask, and how they are answered."""
