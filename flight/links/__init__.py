"""Ways to a vehicle: addresses, links, their statistics and choice, forwarding, replay."""
