"""What is seen of a face in pixels: where it is, its landmarks, its expression, its looks, whose it is."""
