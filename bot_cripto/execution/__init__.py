"""From a signal to a position: planning, paper fills, live orders, and what follows from them."""
