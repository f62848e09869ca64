"""How soon a process ends after SIGINT or SIGTERM, whatever it is doing, and what is left."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dlx import api
from dlx.cli import main
from dlx.errors import Interrupted, StorageError
from dlx.training.process import breaking_off, signals
from tests.cli.conftest import Command, environment, start
from tests.guarded import COMMANDS, SAVING

AFTER_ONE, AFTER_TWO = 5.0, 1.0  # seconds
# A process that hears no interrupt: it catches it, or is in a call that takes long.
DEAF = """\
import signal, sys, time
from dlx.cli import app

def listen(work):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *arguments: None)
    print("at work", flush=True)
    while True:
        work()

def busy():
    import numpy
    x = numpy.ones((1500, 1500), "float32")
    for _ in range(10**6):
        x @ x

works = {"sleeping": lambda: time.sleep(60), "computing": busy}
app._command.main = lambda *arguments, **options: listen(works[%r])
sys.argv = ["dlx"]
sys.exit(app.main())
"""


def at_work(code: str, folder: Path) -> subprocess.Popen[str]:
    """Return a process that executes code, once it says that it is at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline() == "at work\n"
    return process


def ended_after(process: subprocess.Popen[str], number: int, *, twice: bool) -> float:
    """Send a signal, or two, and return the seconds to the process's end since the last one."""
    process.send_signal(number)
    if twice:
        time.sleep(0.2)
        process.send_signal(number)
    sent = time.monotonic()
    process.wait(timeout=60)
    return time.monotonic() - sent


@pytest.mark.parametrize(
    ("work", "twice"),
    [
        ("sleeping", False),
        ("sleeping", True),
        pytest.param("computing", False, marks=pytest.mark.slow(*COMMANDS)),
        pytest.param("computing", True, marks=pytest.mark.slow(*COMMANDS)),
    ],
)
def test_a_process_that_hears_nothing_is_ended(work: str, twice: bool, tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    for _ in range(3):  # where other programs use the cores, a process may wait for one
        deaf = [at_work(DEAF % work, tmp_path) for _ in numbers]
        with ThreadPoolExecutor() as pool:
            seconds = list(pool.map(partial(ended_after, twice=twice), deaf, numbers))
        for process, number in zip(deaf, numbers, strict=True):
            _, err = process.communicate()
            assert process.returncode == 128 + number
            name = signal.Signals(number).name
            assert err == f"stopped by {name} at once; what was not saved is lost\n"
        if is_soon := max(seconds) < (AFTER_TWO if twice else AFTER_ONE):
            break
    assert is_soon


INTERRUPTED_IN_A_CALLBACK = """\
import signal, sys, time, weakref
from dlx.cli import app

class Module: pass

def listen():
    module = Module()
    def gone(reference):
        print("at work", flush=True)
        time.sleep(60)
    reference = weakref.ref(module, gone)
    del module
    while True:
        time.sleep(0.01)

app._command.main = lambda *arguments, **options: listen()
sys.argv = ["dlx"]
sys.exit(app.main())
"""


@pytest.mark.slow(*COMMANDS)
def test_an_interrupt_where_nothing_can_be_raised_comes_again(tmp_path: Path) -> None:
    """Python prints an error that it meets in the callback of a weak reference, and goes on."""
    process = at_work(INTERRUPTED_IN_A_CALLBACK, tmp_path)
    assert ended_after(process, signal.SIGINT, twice=False) < AFTER_ONE
    assert (process.returncode, process.communicate()[1]) == (130, "stopped\n")


INTERRUPTED_IN_C = """\
import signal, sys, time
from dlx.cli import app

def draw():
    print("at work", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        raise ValueError("Invalid affine transformation matrix") from None

app._command.main = lambda *arguments, **options: draw()
sys.argv = ["dlx"]
sys.exit(app.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_error_that_code_in_c_makes_of_an_interrupt_is_none(
    number: signal.Signals, tmp_path: Path
) -> None:
    """matplotlib catches any error while it reads a matrix, and says that the matrix is invalid."""
    process = at_work(INTERRUPTED_IN_C, tmp_path)
    assert ended_after(process, number, twice=False) < AFTER_ONE
    assert (process.communicate()[1], process.returncode) == ("stopped\n", 128 + number)


@pytest.mark.parametrize("twice", [False, True])
def test_neither_is_it_one_in_training(twice: bool) -> None:
    """After one signal training saves; an error is its own then, unless a second one caused it."""
    ended = KeyboardInterrupt if twice else ValueError
    with pytest.raises(ended), signals() as received:
        signal.raise_signal(signal.SIGINT)
        assert received == [signal.SIGINT]
        try:
            if twice:
                signal.raise_signal(signal.SIGINT)
        finally:
            raise ValueError
    with pytest.raises(Interrupted, match="stopped by SIGTERM: saved"), breaking_off(": saved"):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise ValueError
    with pytest.raises(StorageError), breaking_off(": saved"):  # what dlx says itself is said
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise StorageError("no space is left")
    with pytest.raises(ValueError), breaking_off(": saved"):
        raise ValueError


CONFIG = """\
name: wide
data: {{name: classification, rows: {rows}, features: 200}}
model: {{hidden: [1500, 1500, 1500]}}
train: {{steps: 50, batch_size: {batch_size}, checkpoint_seconds: 0}}
log: {{every: {every}, level: minimal}}
"""


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("rows", "batch_size", "every"), [(60_000, 32, 1), (60_000, '"all"', 50)], ids=str
)
def test_evaluations_and_full_batch_steps_of_wide_networks(
    rows: int, batch_size: int | str, every: int, twice: bool, dlx: Command, tmp_path: Path
) -> None:
    """Their evaluations and steps take much longer than a user waits."""
    (tmp_path / "wide.yaml").write_text(
        CONFIG.format(rows=rows, batch_size=batch_size, every=every)
    )
    training = start("train", "wide.yaml", "--quiet", cwd=tmp_path)
    files = lambda: [*(tmp_path / "runs").glob("wide/*/metrics.jsonl")]
    steps_are_taken = every != 1
    if steps_are_taken:  # the evaluation at step 0 is over
        wait_for(lambda: any(path.stat().st_size for path in files()), training)
    else:
        wait_for(lambda: bool(files()), training)
    time.sleep(1)
    seconds = ended_after(training, signal.SIGINT, twice=twice)
    _, err = training.communicate()
    assert training.returncode == 130
    assert err.startswith("stopped by SIGINT") and err.count("\n") == 1
    assert seconds < (AFTER_TWO if twice else AFTER_ONE)
    [path] = (tmp_path / "runs" / "wide").iterdir()
    assert api.load(path).status == "interrupted"


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("delay", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("command", ["evaluate", "report", "figures", "diagnose", "train"])
def test_other_work_ends_too(command: str, delay: float, twice: bool, tmp_path: Path) -> None:
    """While torch is imported, data are loaded, and pages and figures are drawn."""
    runs = tmp_path / "runs"
    words = ["train", "digits", "train.epochs=1", "--runs-dir", str(runs), "--quiet"]
    assert main(words) == 0
    run = [] if command == "train" else ["digits"]
    command_line = [command, *run, *(["digits", "train.epochs=500"] if not run else [])]
    process = start(*command_line, cwd=tmp_path)
    time.sleep(delay)
    if process.poll() is not None:  # before the signal
        process.communicate()
        assert process.returncode == 0
        return
    seconds = ended_after(process, signal.SIGINT, twice=twice)
    _, err = process.communicate()
    assert process.returncode in (130, 0, -signal.SIGINT)
    assert "Traceback" not in err
    assert seconds < (AFTER_TWO if twice else AFTER_ONE)


@pytest.mark.slow(*SAVING)
@pytest.mark.usefixtures("one_thread")
def test_an_evaluation_that_was_broken_off_is_made_again(dlx: Command, tmp_path: Path) -> None:
    """The bits are those of a run that was never stopped."""
    config = CONFIG.format(rows=20_000, batch_size=32, every=5).replace("50", "10", 1)
    (tmp_path / "wide.yaml").write_text(config.replace("1500", "200"))
    assert dlx("train", "wide.yaml", "name=whole", "--no-figures", "--quiet").code == 0
    training = start("train", "wide.yaml", "--quiet", "--no-figures", cwd=tmp_path)
    wait_for(lambda: any((tmp_path / "runs").glob("wide/*/metrics.jsonl")), training)
    assert ended_after(training, signal.SIGINT, twice=False) < AFTER_ONE
    training.communicate()
    ended = dlx("resume", "wide", "--no-figures", "--quiet")
    assert ended.code == 0, ended.err
    [whole], [wide] = ([*(tmp_path / "runs" / name).iterdir()] for name in ("whole", "wide"))
    assert (whole / "weights.safetensors").read_bytes() == (
        wide / "weights.safetensors"
    ).read_bytes()


@pytest.mark.slow(*SAVING)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("twice", [False, True])
def test_workers_end_with_the_process_that_started_them(twice: bool, tmp_path: Path) -> None:
    """In steps that take longer than a user waits, so that none of them can save."""
    config = CONFIG.format(rows=60_000, batch_size='"all"', every=50)
    (tmp_path / "wide.yaml").write_text(
        f"{config}ablation: {{vary: {{model.hidden: [[1500, 1500], [1400, 1400]]}}, seeds: 2}}\n"
    )
    words = ["ablate", "wide.yaml", "--jobs", "2", "--quiet", "--anyway"]
    process = start(*words, cwd=tmp_path)
    files = lambda: [*(tmp_path / "runs").glob("wide/*/cohorts/*/metrics.jsonl")]
    wait_for(lambda: sum(path.stat().st_size > 0 for path in files()) == 2, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    seconds = ended_after(process, signal.SIGINT, twice=twice)
    process.communicate()
    assert process.returncode == 130
    assert seconds < (AFTER_TWO if twice else AFTER_ONE)
    deadline = time.monotonic() + 5
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [path] = (tmp_path / "runs" / "wide").iterdir()
    assert api.Ablation(path).status == "interrupted"


def is_alive(process: str) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
