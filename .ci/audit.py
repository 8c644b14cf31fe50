"""Ask PyPI for known vulnerabilities of what constraints.txt names; if it can't be asked, say so and pass."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "constraints.txt"
PATIENCE = 300
"""Seconds for all packages together."""


def main() -> int:
    packages = asked()
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


def asked() -> list[dict[str, Any]]:
    """Return what pip-audit says of each package, or nothing if it can't say."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(LOCK)]
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return []
    except ValueError:
        print(done.stderr[-500:])
        return []
    return packages


sys.exit(main())
