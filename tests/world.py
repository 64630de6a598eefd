"""World: a user of three tools, with secrets in everything that is around them and in all that they type."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import breakers
from environment_of_a_user import HOSTS
from planted import Planted
from watch import processes_at

import cli_analytics
from cli_analytics import demo, identity, log, storage
from cli_analytics.spool import Spool

PACKAGES = [str(Path(cli_analytics.__file__).parents[1]), sysconfig.get_paths()["purelib"]]
JOTTER = Path(demo.__file__).with_name("jotter.py")
MANIFEST = """
[policy]
ci = "on"
[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = {{ one_of = ["csv", "{declared}"] }}
rows = {{ bucket = [10, 100] }}
[events.feature_used.properties]
feature = {{ one_of = ["search"] }}
"""
# What a host itself hands to us: it waits on the user's disk as it came, and the gate keeps it there.
HANDED = (
    *(
        "a class",
        "an event",
        "a key",
        "a value of it",
        "a format",
        "a row",
        "a path",
        "a name",
        "a message id",
        "an id",
    ),
    *("a time", "a user", "an address", "an app", "a property", "a feature", "a class of click's"),
)
SPILLED = (
    *(*HANDED, "a context", "a cause", "a message", "a note", "a file", "a value", "a usage error", "a parameter"),
    *("a hint", "a file of click's", "its hint", "an exit", "an abort", "a default", "a question", "meta"),
    "an argument",
)
VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "USER", "LOGNAME", "USERNAME", "HOSTNAME", "OLDPWD", "TERM", "TZ"),
    *("LANG", "LC_ALL", "LANGUAGE", "KUBERNETES_SERVICE_HOST", "container", "EDITOR", "SSH_CONNECTION", "EMAIL"),
)


class Start(NamedTuple):
    """One run: the host, its arguments with `{}` for each secret, what is typed into it, and further variables."""

    host: str
    arguments: str = ""
    typed: str = ""
    variables: dict[str, str] = {}


RUNS = [
    Start("leaky", "fail"),
    Start("leaky", "--config={}.toml fail --note {}"),
    Start("leaky", "fail -n{} {}"),
    *(
        Start("leaky", f"end {how}")
        for how in ("file", "builtin", "usage", "parameter", "click", "exit", "abort", "{}")
    ),
    Start("leaky", "ask", "{}\n{}\n{}\n"),
    Start("leaky", "ask --password {}", "{}\ny\n"),
    Start("leaky", "open {}"),
    Start("leaky", "open . /home/{}/{}.csv"),
    Start("leaky", "choose --format {}"),
    Start("leaky", "choose --rows={} -f csv"),
    Start("leaky", "choose --{}={}"),
    Start("leaky", "choose -{}"),
    Start("leaky", "choose", variables={"LEAKY_FORMAT": "{}"}),
    Start("leaky", "{}"),
    Start("leaky", "{} --{} {}"),
    Start("leaky", "--{}"),
    Start("leaky", "walk -- {} --{} {}@{}.example.org"),
    Start("leaky", "walk --{}={} https://{}:{}@{}.example.org/{}?q={}"),
    Start("leaky", "say"),
    Start("leaky", "remote {}"),
    Start("leaky", "remote {} {}"),
    Start("leaky", "steps one --note {} {} one {} {}"),
    Start("leaky", "{} {}", variables={"FUNCTION": "1"}),
    Start("leaky", "choose", variables={"JENKINS_URL": "https://{}.example.org", "BUILD_ID": "{}", "CI_NAME": "{}"}),
    *(Start("exits", "-v db value-error -l{}", variables={"HOW": how}) for how in ("above", "below", "attach")),
    *(Start("exits", "parses {} --{}", variables={"HOW": how}) for how in ("above", "below", "attach")),
    Start("exits", "{} --count {}", variables={"HOW": "attach"}),
    Start("exits", "returns-none -l {}", variables={"HOW": "below", "SHAPE": "caller"}),
    Start("lazy", "works well --deep {}", variables={"HOW": "attach"}),
    Start("lazy", "{}", variables={"HOW": "attach"}),
    Start("jotter", "--file {}.json add {}"),
    Start("jotter", "list --search {}"),
    Start("jotter", "--file {} export"),
    Start("jotter", "export --format {}"),
    Start("jotter", "{}"),
]


class World:
    """Three tools, and a user whose files, folders, variables and typing hold secrets."""

    def __init__(self, folder: Path, planted: Planted) -> None:
        self.planted = planted
        self.known = Planted(0)  # declared, and so to be found by who looks for it
        self.declared = self.known.new("a format")
        self.folder = folder / planted.new("the folder of all")
        self.home = self.folder / planted.new("the home")
        self.directory = self.folder / planted.new("the working directory")
        self.python = self._python()
        self.hosts = self._hosts()
        self.environ = self._environ()
        self._clutter()
        self.versions = {"mytool": "1.2.3", "tool": "1.2.3", "jotter": "1.4.0"}
        self.storages = [storage.locate(tool, self.environ) for tool in self.versions]
        for where in self.storages:
            storage.make_folder(where.state)  # so that nothing is kept in the memory of the container we may be in
        self.prefix: list[str] = []  # of every command

    def _python(self) -> str:
        place = self.folder / self.planted.new("where Python is")
        venv.create(place, symlinks=True)
        [site] = place.glob("lib/*/site-packages")
        (site / "all.pth").write_text("\n".join(PACKAGES), encoding="utf-8")
        return str(place / "bin" / "python")

    def _hosts(self) -> dict[str, Path]:
        place = self.folder / self.planted.new("where the tools are")
        shutil.copytree(HOSTS, place, ignore=shutil.ignore_patterns("__pycache__"))
        text = (HOSTS / "analytics.toml").read_text(encoding="utf-8")
        mine = place / self.planted.new("where the tool is")
        mine.mkdir()
        shutil.copy(HOSTS / "leaky.py", mine)
        text = text.replace('name = "tool"', 'name = "mytool"') + MANIFEST.format(declared=self.declared)
        (mine / "analytics.toml").write_text(text, encoding="utf-8")
        found = {name: place / f"{name}.py" for name in ("exits", "lazy")}
        return {**found, "leaky": mine / "leaky.py", "jotter": JOTTER}

    def _environ(self) -> dict[str, str]:
        planted = self.planted
        proxy = f"http://{planted.new('a proxy')}:{planted.new('its password')}@127.0.0.1:9"
        return {
            **{name: planted.new(f"the variable {name}") for name in VARIABLES},
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), proxy),
            planted.new("the name of a variable").upper(): "1",
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/{planted.new('the path')}",
            "HOME": str(self.home),
            "PWD": str(self.directory),
            "XDG_CONFIG_DIRS": str(self.folder / "etc"),
            "SPILL": json.dumps({place: planted.new(place) for place in SPILLED}),
            "DECLARED": self.declared,
            "SHAPE": "group",
            "SEND_ANONYMOUS_USAGE_INFO": "true",
        }

    def _clutter(self) -> None:
        """Files that somebody has: notes, a repository, passwords and cookies for this very server."""
        new = self.planted.new
        files = {
            self.directory / f"{new('a file')}.txt": new("in a file"),
            self.directory
            / ".git"
            / "config": f'[remote "origin"]\nurl = git@{new("a remote")}:{new("a repository")}\n',
            self.directory / "analytics.toml": new("in a manifest of somebody else's"),
            self.home / ".netrc": f"machine 127.0.0.1 login {new('netrc')} password {new('netrc, password')}\n",
            self.home / ".config" / "pip" / "pip.conf": new("pip"),
            self.home / ".cookies": f"127.0.0.1\tTRUE\t/\tFALSE\t0\tsession\t{new('a cookie')}\n",
        }
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)

    @property
    def manifests(self) -> list[Path]:
        folders = (self.hosts["leaky"].parent, self.hosts["exits"].parent, JOTTER.parent)
        return [folder / "analytics.toml" for folder in folders]

    def run(self, start: Start) -> None:
        """Run a host to its end, whatever that is."""
        fill = self.planted.fill
        arguments = [fill(word) for word in start.arguments.split()]
        variables = {name: fill(value) for name, value in start.variables.items()}
        subprocess.run(
            [*self.prefix, self.python, str(self.hosts[start.host]), *arguments],
            env={**self.environ, **variables},
            cwd=self.directory,
            input=fill(start.typed),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def hold(self) -> None:
        """Let no sender start."""
        for where in self.storages:
            breakers.hold(where)

    def let_go(self) -> None:
        for where in self.storages:
            breakers.let_go(where)

    def waiting(self) -> list[bytes]:
        return [content for where in self.storages for content in Spool(where.spool).peek()]

    def is_sent(self) -> bool:
        return all(Spool(where.spool).is_empty() and log.read(where) for where in self.storages)

    def logs(self) -> bytes:
        return b"".join(Path(where.log).read_bytes() for where in self.storages)

    def ids(self) -> list[str]:
        return [identity.known(where) for where in self.storages]

    def files(self) -> bytes:
        """The content of all our files in the home."""
        folders = [folder for where in self.storages for folder in (where.config, where.state)]
        return b"\n".join(path.read_bytes() for folder in folders for path in Path(folder).rglob("*") if path.is_file())

    def close(self) -> None:
        for pid in processes_at(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
