"""The main program of ``//py:registry``.

It is not in the package, as the directory of a main program comes first on Python's search path.
"""

from __future__ import annotations

from registry_client.__main__ import run

if __name__ == "__main__":
    run()
