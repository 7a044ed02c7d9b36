"""Small foreign hosts with their own truth, and the judge that compares a captured run with it."""
