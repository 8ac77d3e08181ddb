"""`Config`, its checks, its flags, and code that all commands share."""
