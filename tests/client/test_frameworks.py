"""The patterns of docs/frameworks.md, as they stand there, in the real servers and in a real kernel."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from jupyter_client.manager import KernelManager

from tests.support.children import LIMIT, child
from tests.support.keys import new_key
from tests.support.ports import free_port
from tests.support.serving import running_node
from tests.support.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"
EXAMPLES = dict(re.findall(r'```(?:python|ini) title="(.*?)"\n(.*?)```', PAGE.read_text(), re.DOTALL))
USED = {
    "asgi.py",
    "celery_app.py",
    "fastapi_app.py",
    "flask_app.py",
    "gunicorn.conf.py",
    "processes.py",
    "pytest.ini",
    "test_notes.py",
    "waiting.py",
    "wsgi.py",
}
TYPED = ["fastapi_app.py", "flask_app.py", "processes.py", "test_notes.py", "waiting.py"]
"""Those that use no library without types."""
CELLS = [name for name in EXAMPLES if name.startswith("cell ")]


def example(name: str, node: str) -> str:
    return EXAMPLES[name].replace("127.0.0.1:8484", node)


@pytest.fixture
def project(node: str, tmp_path: Path) -> Path:
    """A folder with the files of the page."""
    for name in USED:
        (tmp_path / name).write_text(example(name, node))
    return tmp_path


@contextmanager
def serving(project: Path, command: Sequence[str]) -> Iterator[httpx.Client]:
    """A server of Python's in the folder, for the time of the block."""
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        words = [word.format(address=address, port=port) for word in command]
        env = {**os.environ, "PYTHONPATH": str(project)}
        log = project / "server.log"
        with (
            log.open("wb") as output,
            child(
                [sys.executable, "-m", *words], stdout=output.fileno(), stderr=subprocess.STDOUT, env=env
            ) as server,
            httpx.Client(base_url=f"http://{address}", timeout=30) as http,
        ):
            try:
                wait_for("the server", lambda: http.get("/"), limit=60, ignore=httpx.TransportError)
                yield http
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(LIMIT)
        assert "Traceback" not in log.read_text(errors="replace")


def test_each_example_of_the_page_is_used() -> None:
    assert {*EXAMPLES} == {*USED, *CELLS}
    assert len(CELLS) >= 3


@pytest.mark.parametrize("workers", [1, 2])
def test_fastapi_opens_it_in_its_lifespan(project: Path, workers: int) -> None:
    command = ["uvicorn", "--app-dir", str(project), "--port", "{port}", "--workers", str(workers)]
    name = new_key()
    with serving(project, [*command, "fastapi_app:app"]) as http:
        assert http.get(f"/notes/{name}").status_code == 404
        assert http.put(f"/notes/{name}", params={"text": "v"}).json() > 0
        assert [http.get(f"/notes/{name}").json() for _ in range(20)] == ["v"] * 20


def test_flask_opens_it_in_each_worker_of_gunicorn(project: Path) -> None:
    config = str(project / "gunicorn.conf.py")
    name = new_key()
    with serving(project, ["gunicorn", "--config", config, "--bind", "{address}", "flask_app:app"]) as http:
        assert http.get(f"/notes/{name}").status_code == 404
        assert http.put(f"/notes/{name}", content="v").json()["version"] > 0
        assert [http.get(f"/notes/{name}").text for _ in range(20)] == ["v"] * 20


def test_a_worker_whose_client_was_opened_before_the_fork_answers_with_an_error_at_once(
    project: Path,
) -> None:
    flask = project / "flask_app.py"
    flask.write_text(
        flask.read_text()
        + "\n\n@app.errorhandler(limedb.errors.ClientStateError)"
        + "\ndef wrong_state(error):\n    return str(error), 503\n\n\ndb.open()\n"
    )
    command = ["gunicorn", "--preload", "--workers", "2", "--bind", "{address}", "flask_app:app"]
    with serving(project, command) as http:
        for _ in range(5):
            answer = http.get(f"/notes/{new_key()}", timeout=5)
            assert answer.status_code == 503
            assert "before this process was forked" in answer.text


STORE = """
from celery_app import db, store
asked = [store.delay(str(number), "text") for number in range(20)]
with db:
    for number, one in enumerate(asked):
        assert one.get(timeout=60) == db.get_entry(f"note/{number}").version
print("stored")
"""


@contextmanager
def celery(project: Path, pool: str) -> Iterator[dict[str, str]]:
    """A worker of Celery's for the time of the block; the variables by which others reach it."""
    for folder in ("control", "queue", "results"):
        (project / folder).mkdir()
    for name in ("data_in", "data_out"):  # what one side writes, the other reads
        (project / name).symlink_to("queue")
    queue = {"CELERY_BROKER_URL": "filesystem://", "CELERY_RESULT_BACKEND": f"file://{project}/results"}
    env = {**os.environ, **queue, "PYTHONPATH": str(project)}
    command = ["celery", "-A", "celery_app", "worker", "-P", pool, "-c", "3", "--loglevel", "error"]
    with (project / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=project, env=env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield env
    finally:
        worker.terminate()
        worker.wait(LIMIT)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_celery_opens_it_in_the_first_task_of_each_process(project: Path, pool: str) -> None:
    with celery(project, pool) as env:
        done = subprocess.run(
            [sys.executable, "-c", STORE],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert done.stdout == "stored\n", done.stderr + (project / "worker.log").read_text()


def test_celery_with_gevent_says_that_it_cannot_be(project: Path) -> None:
    ask = "from celery_app import store; print(store.delay('a', 'b').get(timeout=60, propagate=False))"
    with celery(project, "gevent") as env:
        done = subprocess.run(
            [sys.executable, "-c", ask],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert done.stdout.startswith("gevent has replaced the threads"), done.stderr


def test_django_opens_it_in_wsgi(project: Path) -> None:
    name = new_key()
    command = ["gunicorn", "--workers", "2", "--threads", "4", "--bind", "{address}", "wsgi:application"]
    with serving(project, command) as http:
        assert http.get(f"/notes/{name}").status_code == 404
        assert http.put(f"/notes/{name}", content="v").status_code == 204
        assert [http.get(f"/notes/{name}").text for _ in range(20)] == ["v"] * 20


@pytest.mark.parametrize("workers", [1, 2])
def test_django_opens_it_in_the_first_request_under_asgi(project: Path, workers: int) -> None:
    names = [new_key() for _ in range(20)]
    command = ["uvicorn", "--app-dir", str(project), "--port", "{port}", "--workers", str(workers)]
    with serving(project, [*command, "asgi:application"]) as http, ThreadPoolExecutor(10) as pool:
        answers = pool.map(lambda name: http.put(f"/notes/{name}", content=name), names)
        assert [answer.status_code for answer in answers] == [204] * 20
        assert [answer.text for answer in pool.map(lambda name: http.get(f"/notes/{name}"), names)] == names
        assert http.get(f"/notes/{new_key()}").status_code == 404


@pytest.mark.cluster
def test_an_application_waits_for_its_cluster(tmp_path: Path) -> None:
    script = tmp_path / "waiting.py"
    with free_port() as port:
        script.write_text(example("waiting.py", f"127.0.0.1:{port}"))
        with socket.create_server(("127.0.0.1", port)) as refusing:  # it ends each connection
            started = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
            refusing.settimeout(LIMIT)
            for _ in range(3):
                refusing.accept()[0].close()
        try:
            with running_node(tmp_path / "node", port, {}):
                printed, _ = started.communicate(timeout=LIMIT)
        finally:
            started.kill()
            started.wait(LIMIT)
    assert (printed, started.returncode) == ("from before its cluster\n", 0)


def test_gevent_is_refused_with_the_reason(node: str) -> None:
    script = (
        "from gevent import monkey; monkey.patch_all(); import limedb\n"
        f"try: limedb.connect_sync({node!r}).open()\n"
        "except limedb.errors.ClientStateError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.stdout.startswith("gevent has replaced the threads of this process"), done.stderr


def test_the_examples_have_their_types(project: Path) -> None:
    command = ["mypy", "--strict", "--config-file=", f"--cache-dir={project}/cache", *TYPED]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_open_their_own(project: Path, method: str) -> None:
    script = project / "processes.py"
    script.write_text(script.read_text().replace('get_context("fork")', f'get_context("{method}")'))
    done = subprocess.run(
        [sys.executable, str(project / "processes.py")],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("['of 0', 'of 1', 'of 2', 'of 3']\n4\n", 0), done.stderr


def test_fixtures_of_pytest_share_it(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_notes.py"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout
    assert not done.stderr


def test_cells_of_a_notebook_share_it(node: str, tmp_path: Path) -> None:
    manager = KernelManager(connection_file=str(tmp_path / "kernel.json"))
    manager.start_kernel(cwd=str(tmp_path), env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    printed: list[str] = []

    def keep(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, dict)
        if message["msg_type"] == "stream":
            printed.append(content["text"])

    try:
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=LIMIT)
        for cell in CELLS:
            reply = client.execute_interactive(example(cell, node), timeout=LIMIT, output_hook=keep)
            assert reply["content"]["status"] == "ok", reply["content"]
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)
    assert "".join(printed) == "of a cell\nchanged\nchanged\n"
