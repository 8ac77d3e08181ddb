"""`Config`, its checks, its flags, and what all commands share."""
