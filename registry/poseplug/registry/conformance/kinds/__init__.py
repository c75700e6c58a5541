"""Using a component of any kind once, as the engine would, with its results under names; and what its kind promises.

Each module is named like its kind. Its promises are those of that kind alone, and it has

- ``use(part, occasion)``: what a component does in a step. It returns the results as tensors under names, and raises
  Broken if one has another form than the interface says.
- ``train(part, occasion)``, where components are trained: what their own parameters are to be trained with.
"""
