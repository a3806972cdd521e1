"""A slow network: relays TCP connections to a registry, and lets every byte wait on its way, there and back.

It does what ``tc netem`` does where the kernel has it: a connection takes a round trip to be set up, and what is sent
arrives half a round trip later, however much else is under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial


async def main() -> None:
    """Run the command line: host and port of the registry, and the seconds of a round trip."""
    host, _, port = sys.argv[1].rpartition(":")
    relay = partial(_relay, host=host, port=int(port), round_trip=float(sys.argv[2]))
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print("{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    async with server:
        await server.serve_forever()


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, round_trip: float
) -> None:
    # The kernel has accepted the connection at once: what it should have waited for is waited for here.
    await asyncio.sleep(round_trip)
    upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
    await asyncio.gather(
        _delay(reader, upstream_writer, round_trip / 2), _delay(upstream_reader, writer, round_trip / 2)
    )


async def _delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
