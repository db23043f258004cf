"""What each way of ordering a queue costs: replay of real arrivals, agents and all."""
