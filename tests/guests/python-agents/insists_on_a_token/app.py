"""A client like those of many libraries: it requires a token from the environment. Its input says how it uses the token."""

import base64
import os
from dataclasses import dataclass, field
from urllib.parse import quote

import bailiwick
from bailiwick import http


class Client:
    """Reads its token when it is made, like the clients of many services."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.token = os.environ["API_TOKEN"]
        if len(self.token) < 20:
            raise ValueError("no token")

    def get(self, path: str) -> http.Response:
        return http.get(self.base + path, headers={"Authorization": f"Bearer {self.token}"})


@dataclass
class Input:
    base: str
    ways: list[str]
    other: str = ""


@dataclass
class Output:
    token: str
    variables: list[str]
    seen: dict[str, str] = field(default_factory=dict)


@bailiwick.agent
def run(input: Input) -> Output:
    client = Client(input.base)
    output = Output(client.token, sorted(f"{name}={value}" for name, value in os.environ.items()))
    for way in input.ways:
        try:
            answer = ask(client, input, way)
            output.seen[way] = f"{answer.status_code} {answer.text}"
        except bailiwick.Refused as err:
            output.seen[way] = "refused"
    return output


def ask(client: Client, input: Input, way: str) -> http.Response:
    base, token = input.base, client.token
    bearer = {"Authorization": f"Bearer {token}"}
    in_base64 = base64.b64encode(f"user:{token}".encode()).decode()
    ways = {
        "use": lambda: client.get("/inventory"),
        "path-without": lambda: http.get(base + "/open", headers=bearer),
        "host-without": lambda: http.get(input.other + "/open", headers=bearer),
        "body": lambda: http.post(base + "/inventory", data=f"token={token}".encode()),
        "json": lambda: http.post(base + "/inventory", json={"token": token}),
        "both": lambda: http.post(base + "/inventory", headers=bearer, json={"token": token}),
        "header": lambda: http.get(base + "/inventory", headers={"x-api-key": token}),
        "scheme": lambda: http.get(base + "/inventory", headers={"Authorization": f"Token {token}"}),
        "twice": lambda: http.get(base + "/inventory", headers={**bearer, "x-copy": token}),
        "base64": lambda: http.get(base + "/inventory", headers={"x-api-key": in_base64}),
        "query": lambda: http.get(base + "/inventory", params={"token": token}),
        "path": lambda: http.get(f"{base}/inventory/{token}"),
        "percent": lambda: http.get(f"{base}/inventory?t=" + "".join(f"%{byte:02X}" for byte in token.encode())),
        "upper": lambda: http.get(base + "/inventory", headers={"x-api-key": token.upper()}),
        "plain": lambda: http.get(base + "/inventory?" + quote("nothing of it")),
    }
    return ways[way]()
