"""What is wrong with a state, what to do about it, and mending what can be mended safely."""
