"""`emberline bench recall`: what each precision keeps of PyTorch's vectors, rankings and scores."""
