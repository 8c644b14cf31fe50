"""Ask PyPI for known vulnerabilities of what constraints.txt names.

If PyPI can't be reached, or knows no vulnerabilities (a mirror may not), this says so and passes. If
pip-audit fails otherwise, this fails, too: a check that is off must not look like one that has passed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "constraints.txt"
PATIENCE = 120
"""Seconds for all packages together."""
UNREACHABLE = ("requests.exceptions.", "ServiceError")
"""What pip-audit says if the network is the reason."""


def main() -> int:
    try:
        packages = asked()
    except AuditError as failure:
        print(f"audit: pip-audit failed: {failure}")
        return 1
    answered = [each for each in packages if "vulns" in each]
    if not answered:
        print("audit: SKIPPED, since PyPI's database of vulnerabilities can't be reached from here")
        return 0
    found = [(package, hole) for package in answered for hole in package["vulns"]]
    for package, hole in found:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {hole['id']}, fixed in {fixed}")
    print(f"audit: {len(found)} known vulnerabilities; {len(answered)} of {len(packages)} packages are known")
    return 1 if found else 0


class AuditError(Exception):
    """What pip-audit said when it failed by itself."""


def asked() -> list[dict[str, Any]]:
    """Return what pip-audit says of each package, or nothing if PyPI can't be reached. Raises AuditError."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(LOCK)]
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return []
    except (ValueError, KeyError):
        if any(sign in done.stderr for sign in UNREACHABLE):
            return []
        raise AuditError(done.stderr[-500:]) from None
    return packages


sys.exit(main())
