"""Evolution of poses: the operators, a source that was evolved beforehand, and an augmentor that evolves on the way."""
