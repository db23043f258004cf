"""The durable inbound queue: one table, one state machine, a lease with a fencing generation."""
