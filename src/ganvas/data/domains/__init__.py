"""What one field of an example is: images, points, classes; how each is drawn, read and written."""
