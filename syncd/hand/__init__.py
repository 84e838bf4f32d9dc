"""What people enter themselves: checked, compared with who is there already, and handed in to a source of its own."""
