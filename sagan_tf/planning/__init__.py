"""What a training will cost: FLOPs, memory, days."""
