"""The drill: a clean ledger, every known fault planted in it, and how well a sweep finds and explains them."""
