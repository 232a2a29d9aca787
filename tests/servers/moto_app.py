"""moto, as the application that `serve.py` serves: after the actions of `moto_setup.py` that have no key yet, each signature is checked."""

import os

# Read when moto is imported.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "5"

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402

app = DomainDispatcherApplication(create_backend_app)
