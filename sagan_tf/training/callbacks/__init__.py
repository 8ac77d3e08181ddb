"""What happens beside the training, at some of its steps."""
