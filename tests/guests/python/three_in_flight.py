"""Sends three GETs at once in an asyncio loop over wasi:io/poll; the path of a fourth has the order of the arrivals and their bytes.
Input: {"base": "http://127.0.0.1:8080"}."""

import asyncio
import json
import sys
from urllib.parse import urlsplit

from wit_world import exports, imports
from wit_world.imports import wasi_http_types as http

# The toolchain's loop looks for a module `types`; with more than one interface of that name, the module has another name.
imports.types = http
sys.modules["wit_world.imports.types"] = http

import poll_loop  # noqa: E402


async def get(url: str, told, seen: list) -> None:
    parts = urlsplit(url)
    request = http.OutgoingRequest(http.Fields.from_list([("accept", b"*/*")]))
    request.set_scheme(http.Scheme_Https() if parts.scheme == "https" else http.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path)
    response = await poll_loop.send(request)
    stream = poll_loop.Stream(response.consume())
    count, pieces = 0, 0
    while (chunk := await stream.next()) is not None:
        count, pieces = count + len(chunk), pieces + 1
        seen.append(f"{told}c{count}")
    seen.append(f"{told}e{count}x{pieces}")


async def work(base: str) -> list:
    seen: list = []
    await asyncio.gather(*(get(f"{base}/{index}", index, seen) for index in range(3)))
    await get(f"{base}/order/{'.'.join(seen)}", 3, seen)
    return seen


class Agent(exports.Agent):
    def run(self, input: str) -> str:
        loop = poll_loop.PollLoop()
        asyncio.set_event_loop(loop)
        return json.dumps({"seen": loop.run_until_complete(work(json.loads(input)["base"]))})
