"""The backbone: a network that makes abstract geometry of images, and images to try it on."""
