"""The fields of an example (images, points, classes), and how each is drawn, read and written."""
