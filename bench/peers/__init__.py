"""`emberline bench peers`: Emberline beside the servers and libraries that one would use instead of it."""
