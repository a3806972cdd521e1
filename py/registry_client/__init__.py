"""A client for OCI registries: resolve tags to digests, get manifests, set tags.

    with Client() as client:
        image = client.get_image("ghcr.io/a/b:1.2")
        client.tag_image(image, "prod")

Names are imported when they are first used, so that a program that only reads a lock file loads no HTTP library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry_client.client import Client as Client
    from registry_client.client import ClientOptions as ClientOptions
    from registry_client.credentials import Credential as Credential
    from registry_client.credentials import Keychain as Keychain
    from registry_client.descriptor import Descriptor as Descriptor
    from registry_client.errors import (
        BadRegistryResponseError as BadRegistryResponseError,
    )
    from registry_client.errors import (
        CredentialError as CredentialError,
    )
    from registry_client.errors import (
        InnerError as InnerError,
    )
    from registry_client.errors import (
        RegistryClientError as RegistryClientError,
    )
    from registry_client.errors import (
        RegistryError as RegistryError,
    )
    from registry_client.errors import (
        UnrecognizedRegistryError as UnrecognizedRegistryError,
    )
    from registry_client.errors import (
        is_manifest_unknown as is_manifest_unknown,
    )
    from registry_client.keychains import default_keychain as default_keychain
    from registry_client.layout import LayoutStore as LayoutStore
    from registry_client.manifest import Image as Image
    from registry_client.reference import (
        ImageReference as ImageReference,
    )
    from registry_client.reference import (
        parse_reference as parse_reference,
    )
    from registry_client.reference import (
        validate_tag as validate_tag,
    )
    from registry_client.transport import TransportOptions as TransportOptions

_HOMES = {
    "BadRegistryResponseError": "errors",
    "Client": "client",
    "ClientOptions": "client",
    "Credential": "credentials",
    "CredentialError": "errors",
    "Descriptor": "descriptor",
    "Image": "manifest",
    "ImageReference": "reference",
    "InnerError": "errors",
    "Keychain": "credentials",
    "LayoutStore": "layout",
    "RegistryClientError": "errors",
    "RegistryError": "errors",
    "TransportOptions": "transport",
    "UnrecognizedRegistryError": "errors",
    "default_keychain": "keychains",
    "is_manifest_unknown": "errors",
    "parse_reference": "reference",
    "validate_tag": "reference",
}

__all__ = tuple(sorted(_HOMES))


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
