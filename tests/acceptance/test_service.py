"""The service as a process: started, killed, started again, taken down."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

import httpx

from replyrank.models.champion import Champion, ModelVersion, write_champion
from replyrank.models.find import find_artefact
from tests.acceptance.processes import ROOT
from tests.queues import PostgresServer
from tests.services import until

TEXT = "my order has not come and nobody answers me, where is it?"


class Process:
    """One run of `replyrank serve` in a folder."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        command = [sys.executable, "-m", "replyrank.serving", "serve", "--port", str(self.port)]
        # The small model starts fast.
        command += ["--model", "fallback", "--drain", "0", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **environment}
            )

    def __enter__(self) -> "Process":
        until(self.is_ready, 30, self.told)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)

    def told(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.told()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.address}/readyz").status_code == 200
        return False

    def end(self) -> int:
        """Take it down in order; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def get(self, path: str, **options: Any) -> Any:
        return httpx.get(f"{self.address}{path}", timeout=20, **options).json()

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(f"{self.address}{path}", json=body, timeout=20)


def message(number: int, text: str = TEXT) -> dict[str, Any]:
    return {
        "id": f"m{number}", "brand": "acme", "channel": "email", "author": f"a{number}",
        "text": f"{text} {number}",
    }  # fmt: skip


def stored(process: Process) -> int:
    found: dict[str, int] = process.get("/v1/statistics")["items"]
    return sum(count for name, count in found.items() if name != "conservation_error")


def test_in_an_empty_folder_it_just_works(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        assert service.post("/v1/messages", message(1)).status_code == 201
        (first,) = service.get("/v1/queue")["items"]
        assert first["latest"]["id"] == "m1"
        assert (tmp_path / "replyrank.db").is_file()
        assert service.end() == 0
    for line in service.told().splitlines():
        assert TEXT not in line
        assert json.loads(line)["level"] == "info"


def hand_in(address: str, numbers: Iterator[int], stop: threading.Event) -> set[str]:
    """Batches, one after the other, until the service is gone; the ids that were acknowledged."""
    acknowledged = set[str]()
    with httpx.Client(base_url=address, timeout=20) as client:
        while not stop.is_set():
            first = 20 * next(numbers)
            batch = [message(n) for n in range(first, first + 20)]
            try:
                answer = client.post("/v1/messages/batch", json={"messages": batch})
            except httpx.TransportError:
                break
            acknowledged.update(one["id"] for one in answer.json()["results"])
    return acknowledged


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    acknowledged, numbers = set[str](), itertools.count()
    for _ in range(3):
        # Several at once, so that what they hand in shares transactions.
        with Process(tmp_path) as service, ThreadPoolExecutor(4) as hands:
            stop = threading.Event()
            told = [hands.submit(hand_in, service.address, numbers, stop) for _ in range(4)]
            time.sleep(0.6)
            service.process.kill()
            stop.set()
            acknowledged.update(*(one.result() for one in told))
    assert len(acknowledged) > 60
    with Process(tmp_path) as service:
        batches = sorted(acknowledged)
        for start in range(0, len(batches), 500):
            again = [message(int(one[1:])) for one in batches[start : start + 500]]
            answer = service.post("/v1/messages/batch", {"messages": again})
            assert {one["result"] for one in answer.json()["results"]} == {"duplicate"}
        assert service.get("/v1/statistics")["items"]["conservation_error"] == 0
        until(lambda: not any(service.get("/v1/statistics")["backlog"].values()), 60, service.told)


def test_two_agents_never_hold_the_same(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        batch = [message(n) for n in range(200)]
        service.post("/v1/messages/batch", {"messages": batch})
        got: dict[str, list[int]] = {"kim": [], "lee": []}

        def work(agent: str) -> None:
            with httpx.Client(base_url=service.address, timeout=20) as client:
                while (
                    found := client.post("/v1/queue/claim", json={"agent": agent})
                ).status_code == 200:
                    item = found.json()
                    got[agent].append(item["item"])
                    path = f"/v1/items/{item['item']}/finish"
                    client.post(path, json={"generation": item["generation"]})

        threads = [threading.Thread(target=work, args=(agent,)) for agent in got]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got["kim"] + got["lee"]) == list(range(1, 201))
        assert service.get("/v1/statistics")["items"]["answered"] == 200


def test_it_goes_down_in_order_and_what_is_in_flight_ends(tmp_path: Path) -> None:
    with Process(tmp_path, "--drain", "0.5") as service:
        answers: list[int] = []

        def ask() -> None:
            body = {"texts": [f"{TEXT} {n}" for n in range(256)]}
            with contextlib.suppress(httpx.ConnectError):
                answers.append(service.post("/v1/score", body).status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{service.address}/readyz").status_code == 503, 5, service.told)
        assert httpx.get(f"{service.address}/livez").status_code == 200
        for thread in threads:
            thread.join()
        assert service.process.wait(20) == 0
    assert set(answers) <= {200, 503}
    assert 200 in answers


def test_watchers_do_not_keep_it_from_going_down(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        service.post("/v1/messages", message(1))
        with httpx.stream("GET", f"{service.address}/v1/events?after=0", timeout=30) as stream:
            next(stream.iter_lines())
            start = time.monotonic()
            assert service.end() == 0
            assert time.monotonic() - start < 10


def test_it_does_not_listen_beyond_this_machine_without_a_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "replyrank.serving"]
    serve = [*command, "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104
    done = subprocess.run(serve, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "replyrank keys create" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_in_use_is_told_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "replyrank.serving", "serve", "--model", "fallback"]
        done = subprocess.run(  # noqa: S603
            [*command, "--port", port],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("database", ["sqlite:////nowhere/at/all.db", "sqlite://", "nonsense"])
def test_a_database_that_cannot_be_used_is_told_in_words(tmp_path: Path, database: str) -> None:
    command = [sys.executable, "-m", "replyrank.serving", "serve", "--database", database]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert "replyrank: " in done.stderr
    assert "Traceback" not in done.stderr


def send_for_ever(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\n")
        for _ in range(2_000):
            sock.sendall(b"x-a: " + b"y" * 1_000 + b"\r\n")
            time.sleep(0.0005)


def test_a_head_without_an_end_is_cut_off(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(service.port)
        assert service.is_ready()


def point(home: Path, name: str) -> None:
    artefact = find_artefact(name)
    version = ModelVersion(
        version=artefact.config.name,
        folder=str(artefact.folder),
        manifest_sha256=artefact.manifest_sha256,
    )
    write_champion(home, Champion(**version.model_dump(), previous=None))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_a_promoted_model_comes_into_use_and_a_broken_one_does_not(
    tmp_path: Path, home: Path
) -> None:
    point(home, "fallback")
    # Without --model the pointer is followed.
    service = Process(tmp_path, REPLYRANK_HOME=str(home), REPLYRANK_WATCH="0.1", REPLYRANK_MODEL="")
    service.process.kill()
    service.process.wait()
    command = [sys.executable, "-m", "replyrank.serving", "serve", "--port", str(service.port)]
    with service.log.open("ab") as log:
        service.process = subprocess.Popen(  # noqa: S603
            [*command, "--drain", "0"], cwd=tmp_path, stdout=log, stderr=log,
            env={**os.environ, "REPLYRANK_HOME": str(home), "REPLYRANK_WATCH": "0.1"},
        )  # fmt: skip
    with service:

        def model() -> str:
            return str(service.get("/v1/statistics")["model"])

        assert model() == find_artefact("fallback").config.name
        point(home, "default")
        until(lambda: model() == find_artefact("default").config.name, 20, service.told)
        pointer = home / "champion.json"
        broken = json.loads(pointer.read_text(encoding="utf-8"))
        broken["manifest_sha256"] = "0" * 64
        pointer.write_text(json.dumps(broken), encoding="utf-8")
        until(lambda: service.get("/v1/statistics")["model_problem"] is not None, 10, service.told)
        scored = service.post("/v1/score", {"texts": [TEXT]})
        assert scored.json()["model"] == find_artefact("default").config.name
        assert httpx.get(f"{service.address}/readyz").status_code == 200


def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    """The database is not allowed to grow: what a full disk does to it."""
    with Process(tmp_path) as service:
        assert service.post("/v1/messages", message(1)).status_code == 201
    import sqlite3  # noqa: PLC0415

    limits = tmp_path / "sitecustomize.py"
    with sqlite3.connect(tmp_path / "replyrank.db") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    limits.write_text(
        "from sqlalchemy import event\n"
        "from sqlalchemy.engine import Engine\n"
        "import pathlib\n"
        "@event.listens_for(Engine, 'begin')\n"
        "def _(connection):\n"
        f"    most = {pages + 8} if pathlib.Path('full').exists() else 1 << 30\n"
        "    connection.exec_driver_sql(f'PRAGMA max_page_count={most}')\n",
        encoding="utf-8",
    )
    (tmp_path / "full").touch()
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    with Process(tmp_path, PYTHONPATH=path) as service:
        answers = [
            service.post(
                "/v1/messages/batch", {"messages": [message(n) for n in range(at, at + 50)]}
            )
            for at in range(100, 2_000, 50)
        ]
        refused = [one for one in answers if one.status_code == 503]
        assert refused
        assert all(one.headers["retry-after"] for one in refused)
        assert {one.status_code for one in answers} <= {200, 503}
        taken = 1 + 50 * (len(answers) - len(refused))
        assert stored(service) == taken
        assert service.get("/v1/queue")["total"] > 0
        assert answers[-1].status_code == 503
        assert httpx.get(f"{service.address}/readyz").status_code == 503
        (tmp_path / "full").unlink()
        assert service.post("/v1/messages", message(5_000)).status_code == 201
        assert httpx.get(f"{service.address}/readyz").status_code == 200
        assert stored(service) == taken + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which a test may fill."""
    if shutil.which("mount") is None:
        pytest.skip("a disk that may be filled needs the command mount")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(  # noqa: S603
        ["mount", "-t", "tmpfs", "-o", "size=110m", "tmpfs", str(place)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a disk that may be filled needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S603, S607


def test_a_full_disk_of_a_database_server_is_told_and_passes(small_disk: Path) -> None:
    server = PostgresServer(small_disk / "postgres")
    ballast = small_disk / "ballast"
    try:
        with Process(small_disk.parent, "--database", server.url()) as service:
            assert service.post("/v1/messages", message(1)).status_code == 201
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
                while True:
                    out.write(bytes(1 << 16))
            batches = [[message(n) for n in range(at, at + 50)] for at in range(100, 4_100, 50)]
            answers = list[httpx.Response]()
            while len(answers) < len(batches) and [one.status_code for one in answers[-3:]] != (
                [503] * 3
            ):
                answers.append(
                    service.post("/v1/messages/batch", {"messages": batches[len(answers)]})
                )
            refused = [one for one in answers if one.status_code == 503]
            assert len(refused) >= 3
            assert all(one.headers["retry-after"] for one in refused)
            assert {one.status_code for one in answers} <= {200, 503}
            assert httpx.get(f"{service.address}/readyz", timeout=20).status_code == 503
            ballast.unlink()
            until(service.is_ready, 30, service.told)
            assert service.post("/v1/messages", message(5_000)).status_code == 201
            # A batch that was refused left nothing behind.
            assert stored(service) == 2 + 50 * (len(answers) - len(refused))
    finally:
        server.close()
