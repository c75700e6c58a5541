"""poseplug.core: data types, geometry, the interfaces, the training engine and the metrics.

Import from the modules (``from poseplug.core.batch import PoseBatch``); this package itself imports nothing, so that
``poseplug --help`` stays fast.
"""

__version__ = "0.1.0"
