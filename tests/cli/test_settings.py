"""Names in the environment that are no setting, and settings with values that can't be."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from kalends.settings import unknown_names
from tests.support import commands
from tests.support.server import free_port, serving

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("KALENDS_")}


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return commands.run(*arguments, env=CLEAN | environment, cwd=folder)


def test_a_misspelt_name_is_said_beside_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KALENDS_SMTP_PASWORD=hunter2\nKALENDS_METRICS=false\nOTHER=1\n")
    done = run(tmp_path, "org", "list", "--json", KALENDS_DATABSE_URL="sqlite:///hunter3.db")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"organizations": []})
    assert done.stderr.splitlines() == [
        "kalends: KALENDS_DATABSE_URL is not a setting, so it changes nothing: is it KALENDS_DATABASE_URL?",
        "kalends: KALENDS_SMTP_PASWORD is not a setting, so it changes nothing: is it KALENDS_SMTP_PASSWORD?",
    ]


def test_servers_workers_and_migrations_say_it_in_the_log(tmp_path: Path) -> None:
    done = run(tmp_path, "migrate", "--json", KALENDS_WORKR="hunter2")
    assert done.returncode == 0
    assert set(json.loads(done.stdout)) == {"revision"}
    [line] = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["level"]) == ("unknown setting", "warning")
    assert "is it KALENDS_WORKER?" in line["what"]
    assert "hunter2" not in done.stderr
    log = tmp_path / "log"
    with serving(f"sqlite:///{tmp_path / 'k.db'}", log=log, env={"KALENDS_PROT": "1"}):
        pass
    lines = [json.loads(each) for each in log.read_text().splitlines()]
    assert [line["what"].split()[0] for line in lines if line["event"] == "unknown setting"] == [
        "KALENDS_PROT"
    ]


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("KALENDS_SMTP_HOSTS", "", "is it KALENDS_SMTP_HOST?"),
        ("kalends_log_levl", "", "is it KALENDS_LOG_LEVEL?"),
        ("KALENDS_PORT", "80", "use `kalends serve --port`"),
        ("KALENDS_WORKERS", "4", "use `kalends serve --workers`"),
        ("KALENDS_QQQ", "", "the README lists all settings"),
        ("KALENDS_SMTP_HOST", "", None),
        ("kalends_smtp_host", "", None),
        ("KALENDS_TEST_DATABASE_URL", "", None),
        ("KALENDS_UPDATE_SNAPSHOTS", "1", None),
        # What Kubernetes tells of a service by the name of kalends.
        ("KALENDS_SERVICE_HOST", "10.0.0.1", None),
        ("KALENDS_SERVICE_PORT_HTTP", "80", None),
        ("KALENDS_PORT", "tcp://10.0.0.1:80", None),
        ("KALENDS_PORT_80_TCP_ADDR", "10.0.0.1", None),
        ("XKALENDS_PORT", "", None),
    ],
)
def test_which_names_are_unknown(
    name: str, value: str, instead: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in [known for known in os.environ if known.upper().startswith("KALENDS_")]:
        monkeypatch.delenv(each)
    monkeypatch.setenv(name, value)
    expected = [f"{name.upper()} is not a setting, so it changes nothing: {instead}"] if instead else []
    assert unknown_names() == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("DATABASE_POOL_SIZE", "many", "a whole number from 1 to 500"),
        ("DATABASE_POOL_SIZE", "0", "a whole number from 1 to 500"),
        ("EVENTS_KEPT_DAYS", "1.5", "a whole number from 1 to 3650"),
        ("PUBLIC_REQUESTS_PER_HOUR", "-1", "a whole number from 1 upwards"),
        ("SMTP_PORT", "66000", "a whole number from 1 to 65535"),
        ("SMTP_TLS", "ssl", "'starttls', 'tls' or 'none'"),
        ("SMTP_HOST", "mail.example:587", "KALENDS_SMTP_PORT"),
        ("WORKER", "perhaps", "true or false"),
        ("METRICS", "perhaps", "true or false"),
        ("WEBHOOKS_ALLOW_PRIVATE", "perhaps", "true or false"),
        ("PUBLIC_URL", "book.example", "such as https://book.example"),
        ("PUBLIC_URL", "https://%6cocalhost", "such as https://book.example"),
        ("OIDC_ISSUER", "https://0x7f.1/realm", "such as https://login.example"),
        ("OIDC_ISSUER", "http://[fe80::1%25eth0]", "such as https://login.example"),
        ("CORS_ORIGINS", "book.example", "such as https://book.example"),
        ("PUBLIC_CORS_ORIGINS", "https://a.example/app", "such as https://book.example"),
        ("RATE_LIMIT_STORAGE", "redi://hunter2@localhost", "memory:// or redis://host:6379"),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/x", "postgresql://user@host/database"),
        ("DATABASE_URL", "postgresql://root:hunter2@localhost:port/x", "postgresql://user:password@host"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_what_may_be(
    name: str, value: str, allowed: str, tmp_path: Path
) -> None:
    environment = {f"KALENDS_{name}": value}
    done = run(tmp_path, "serve", "--port", str(free_port()), **environment)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"kalends: KALENDS_{name}")
    assert allowed in line
    assert "hunter2" not in line
    assert not (tmp_path / "kalends.db").exists()


def test_a_file_that_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"KALENDS_SMTP_FROM=m\xfcller@example.com\n")
    done = run(tmp_path, "org", "list")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert ".env" in line


def test_trusted_proxies_are_read_from_the_file_and_the_former_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leftmost address is anybody's own, so it changes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KALENDS_TRUSTED_PROXIES=2\n")
    with serving(f"sqlite:///{tmp_path / 'k.db'}", log=tmp_path / "log") as server:
        left = []
        for n in range(3):
            response = httpx.get(
                f"http://127.0.0.1:{server.port}/v1/public/nobody",
                headers={"X-Forwarded-For": f"6.6.6.{n}, 203.0.113.1, 10.0.0.1"},
            )
            left.append(response.headers["x-ratelimit-remaining"])
    assert left == ["999", "998", "997"]
    (tmp_path / ".env").write_text("FORWARDED_ALLOW_IPS=*\n")
    [told] = run(tmp_path, "org", "list", "--json").stderr.splitlines()
    assert "FORWARDED_ALLOW_IPS is no longer read" in told
    assert "KALENDS_TRUSTED_PROXIES" in told
    (tmp_path / ".env").unlink()
    [line] = run(tmp_path, "migrate", "--json", FORWARDED_ALLOW_IPS="10.0.0.1").stderr.splitlines()
    assert "FORWARDED_ALLOW_IPS is no longer read" in json.loads(line)["what"]
    both = {"FORWARDED_ALLOW_IPS": "10.0.0.1", "KALENDS_TRUSTED_PROXIES": "10.0.0.1"}
    assert run(tmp_path, "migrate", "--json", **both).stderr == ""


@pytest.mark.parametrize("wrong", ["*", "nginx", "127.0.0.1,*", "-1"])
def test_what_is_wrong_with_proxies_is_one_line(tmp_path: Path, wrong: str) -> None:
    done = run(tmp_path, "serve", KALENDS_TRUSTED_PROXIES=wrong)
    [line] = done.stderr.splitlines()
    assert done.returncode != 0
    assert "KALENDS_TRUSTED_PROXIES: " in line
    assert "10.0.0.1,192.168.0.0/16" in line
