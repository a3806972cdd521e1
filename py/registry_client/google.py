"""Google's registries: Application Default Credentials, by google-auth.

This is the only module that imports google-auth, and only once a registry of Google's is talked to: it is slow to
import.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from registry_client.credentials import Credential
from registry_client.errors import CredentialError

if TYPE_CHECKING:
    import google.auth.credentials

    from registry_client.credentials import Target

HOSTS = ("gcr.io", "*.gcr.io", "*.pkg.dev")
"""The registries of Google's."""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_USERNAME = "oauth2accesstoken"
"""The user whose password is an access token (Artifact Registry, "Configure authentication")."""
_SOURCE = "Google's Application Default Credentials"


class GoogleKeychain:
    """Application Default Credentials of all kinds: service account, user, metadata server, federation, impersonation.

    The token is refreshed shortly before it expires. Where there are no credentials, Google's public images are still
    to be had: that is no error.
    """

    def __init__(self) -> None:
        """Look for nothing yet."""
        self._lock = threading.Lock()
        self._credentials: google.auth.credentials.Credentials | None = None
        self._failure: CredentialError | None = None
        self._looked = False

    def find(self, target: Target) -> Credential | None:
        """See ``Keychain``."""
        if not any(fnmatchcase(target.registry, host) for host in HOSTS):
            return None
        with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                return self._find()
            except CredentialError as error:
                self._failure = error
                raise

    def _find(self) -> Credential | None:
        import google.auth  # noqa: PLC0415 - see the module's docstring
        import google.auth.credentials  # noqa: PLC0415
        import google.auth.exceptions  # noqa: PLC0415
        import google.auth.transport.requests  # noqa: PLC0415

        # What it tells a log about projects and metadata servers is of no use to who wants an image.
        logging.getLogger("google.auth").addHandler(logging.NullHandler())
        try:
            if not self._looked:
                # With a scope given here, federated credentials would ask Google for the project, which nobody needs.
                found, _ = google.auth.default()
                with_scopes = google.auth.credentials.with_scopes_if_required
                self._credentials = with_scopes(found, [_SCOPE])  # type: ignore[no-untyped-call]
        except google.auth.exceptions.DefaultCredentialsError as error:
            if "were not found" in str(error):
                return None
            raise _failed(error) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise _failed(error) from error
        finally:
            self._looked = True
        credentials = self._credentials
        if credentials is None:
            return None
        try:
            if not credentials.valid:
                credentials.refresh(google.auth.transport.requests.Request())  # type: ignore[no-untyped-call]
        except google.auth.exceptions.GoogleAuthError as error:
            raise _failed(error) from error
        expiry = credentials.expiry
        return Credential(
            source=_SOURCE,
            username=_USERNAME,
            password=str(credentials.token),
            # google-auth gives it in UTC, but does not say so
            expires=None if expiry is None else expiry.replace(tzinfo=dt.timezone.utc).timestamp(),
        )


def _failed(error: Exception) -> CredentialError:
    # the first argument is the sentence; the others may be whole answers
    said = " ".join(str(error.args[0] if error.args else error).split())[:300]
    return CredentialError(f"{_SOURCE} cannot be used: {said}; run gcloud auth application-default login")
