"""What goes out: the roster by the standards that other products read."""
