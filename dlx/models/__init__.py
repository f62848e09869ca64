"""Models: functions from a task and YAML options to the layers of one run; one file each."""

from dlx.models import autoencoder as _autoencoder  # noqa: F401
from dlx.models import mlp as _mlp  # noqa: F401
from dlx.models import rbm as _rbm  # noqa: F401
from dlx.models import recurrent as _recurrent  # noqa: F401
