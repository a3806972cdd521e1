"""A registry that keeps the lists of referrers itself, as neither of the real ones here does.

It is a real Distribution behind a proxy that answers as the distribution specification says, "Listing Referrers" and
"Pushing Manifests with Subject".
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from integration.fault_proxy import Exchange, no_fault
from integration.images import OCI_INDEX, descriptor, digest_of, encode

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 2
"""How many referrers are on a page."""


class ReferrersApi:
    """The rule of such a proxy.

    Attributes:
        listed: By repository and digest of the subject, what refers to it.
    """

    def __init__(self) -> None:
        """Know of nothing yet."""
        self.listed: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()

    def rule(self, method: str, path: str) -> Callable[[Exchange], object]:
        """What to do with a request."""
        if "/referrers/" in path:
            return self._list
        if method == "PUT" and "/manifests/" in path:
            return self._put
        return no_fault(method, path)

    def _put(self, exchange: Exchange) -> None:
        answer = exchange.ask()
        manifest = json.loads(exchange.body)
        subject = manifest.get("subject")
        headers = answer.headers
        if subject and answer.status < 300:
            repository = exchange.path.removeprefix("/v2/").partition("/manifests/")[0]
            entry = descriptor(manifest["mediaType"], exchange.body) | {"artifactType": manifest.get("artifactType")}
            with self._lock:
                entries = self.listed[repository, subject["digest"]]
                if digest_of(exchange.body) not in [each["digest"] for each in entries]:
                    entries.append(entry)
            headers = {**headers, "OCI-Subject": subject["digest"]}
        exchange.reply(answer.status, headers, answer.body)

    def _list(self, exchange: Exchange) -> None:
        path, _, query = exchange.path.partition("?")
        repository, _, digest = path.removeprefix("/v2/").partition("/referrers/")
        start = int(query.removeprefix("from=") or 0)
        entries = self.listed[repository, digest]
        headers = {"Content-Type": OCI_INDEX}
        if len(entries) > start + PAGE:
            headers["Link"] = f'<{path}?from={start + PAGE}>; rel="next"'
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries[start : start + PAGE]}
        exchange.reply(200, headers, encode(index))
