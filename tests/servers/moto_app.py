"""moto as a WSGI application. `moto_setup.py` may do its first actions without a valid key; after that, moto checks each signature."""

import os

# moto reads this when it is imported.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "5"

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402

app = DomainDispatcherApplication(create_backend_app)
