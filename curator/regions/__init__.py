"""Where the object is, what lies around it, and which visual words both are made of."""
