"""A build step, `RUN mytool …`, leaves nothing behind in the image, whatever the image's variables say."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import image
import pytest
from bridge import Bridged, bridged
from containers import run, started

pytestmark = [pytest.mark.slow, image.needs_engine]

ENGINE = "/var/run/docker.sock"
STEPS = {
    "nobody says anything": "RUN probe hello",
    "the image says yes": "ENV SEND_ANONYMOUS_USAGE_INFO=true\nRUN probe hello && probe hello",
    "one step says yes": "RUN SEND_ANONYMOUS_USAGE_INFO=true probe hello",
}
FIND = "find / -xdev ( -name client-id -o -name stamp -o -path */probe/analytics/* )"

Build = Callable[[Path, str], object]


@pytest.fixture(scope="module")
def probe() -> str:
    return image.probe()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"{image.MADE}:built-{uuid.uuid4().hex[:12]}"
    yield name
    image.remove(name)


def _classic(context: Path, tag: str) -> None:
    image.build(context, tag)


def _buildkit(context: Path, tag: str) -> None:
    """BuildKit, that of the engine: it fetches the Dockerfile itself, so that no client of its own is needed."""
    handler = partial(_Quiet, directory=str(context))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        remote = f"http://127.0.0.1:{server.server_port}/Dockerfile"
        query = {"version": "2", "buildid": uuid.uuid4().hex, "nocache": "1", "t": tag, "remote": remote}
        said = _ask_engine(f"/v1.41/build?{urllib.parse.urlencode(query)}")
        server.shutdown()
    if "errorDetail" in said and "buildkit" in said.lower() and "support" in said:
        pytest.skip("docker: this engine has no BuildKit")
    assert "errorDetail" not in said, said


def _ask_engine(path: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(ENGINE)
        asked = http.client.HTTPConnection("docker", timeout=120)
        asked.sock = connection
        asked.request("POST", path)
        return asked.getresponse().read().decode()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


BUILDERS: dict[str, Build] = {"the classic builder": _classic, "BuildKit": _buildkit}


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("step", STEPS)
def test_a_build_step_leaves_nothing_of_ours_in_the_image(
    probe: str, tag: str, tmp_path: Path, builder: str, step: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {probe}\n{STEPS[step]}\n", encoding="utf-8")
    BUILDERS[builder](tmp_path, tag)
    found = run(tag, *FIND.split(), options=("--entrypoint", "", "--network", "none"))
    assert (found.status, found.stdout.decode()) == (0, "")


@pytest.mark.parametrize("builder", BUILDERS)
def test_two_containers_of_an_image_that_says_yes_share_no_id(
    probe: str, tag: str, server: Bridged, tmp_path: Path, builder: str
) -> None:
    steps = STEPS["the image says yes"]
    (tmp_path / "Dockerfile").write_text(f"FROM {probe}\n{steps}\n", encoding="utf-8")
    BUILDERS[builder](tmp_path, tag)
    ended = [run(tag, "hello", options=server.options, environ=server.environ) for _ in range(2)]
    assert all("because SEND_ANONYMOUS_USAGE_INFO says yes" in one.stderr.decode() for one in ended)
    events = server.wait(2, seconds=1)
    assert len({event["anonymousId"] for event in events}) == 2


def test_the_search_finds_what_a_person_left_there(probe: str) -> None:
    """Without which the tests above would prove nothing."""
    with started(probe, "300", options=("--entrypoint", "sleep", "--network", "none")) as container:
        container.execute(
            "sh", "-c", "mkdir -p /root/.config/probe/analytics && touch /root/.config/probe/analytics/client-id"
        )
        assert "client-id" in container.execute(*FIND.split()).stdout
        assert "client-id" in container.left()[-1]
