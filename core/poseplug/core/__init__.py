"""poseplug.core: data types, geometry, the interfaces, the training engine and the metrics.

Import from the modules (``from poseplug.core.data.pose_batch import PoseBatch``); this package itself imports nothing,
so that ``poseplug --help`` stays fast. The rooms, from the lowest: geometry and storage, data, interfaces, sources and
models, evaluation, training; a module imports from its own room and from those below.
"""

__version__ = "0.1.0"
