"""How a plan is executed: here in one or several processes, or on a cluster."""
